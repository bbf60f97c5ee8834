// Worst cases over any choice of families and libraries, sample by sample, from the bits of the page.
const unpack = (text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt());
const ONES = Uint8Array.from({length: 256}, (_, byte) => byte.toString(2).replaceAll("0", "").length);
const count = (bytes) => {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += ONES[bytes[i]];
  return sum;
};
const union = (n, rows, what = "broken") => {
  const joined = new Uint8Array((n + 7) / 8);
  for (const {[what]: bytes} of rows) for (let i = 0; i < bytes.length; i++) joined[i] |= bytes[i];
  return joined;
};

const clean = {}, scores = {}, own = {};
for (const [model, d, n, bits] of data.clean) clean[[model, d]] = {n, bits: unpack(bits)};
const add = (s, d, row) => (scores[[s, d]] ??= []).push(row);
for (const [s, c, bits, distance, some, asked] of data.scores) {
  const cell = cells[c], broken = unpack(bits), row = {cell, broken, success: asked == null ? broken : unpack(asked), distance, attacked: some && unpack(some)};
  add(s, cell.d, row);
  if (cell.at.includes(s)) (own[[s, cell.d, cell.f]] ??= []).push(row);
}
// Attacks of a diagnosis are of no family and library: they count while none is left out.
for (const [s, d, f, bits] of data.evidence) add(s, d, {cell: {...settings[s], f, l: "diagnosis"}, broken: unpack(bits), attacked: []});

const cleanOf = (s, d) => clean[[settings[s].model, d]];
const scoresOf = (s, d) => (scores[[s, d]] ?? []).filter(({cell: {f, l}}) => (isNaN(f) ? ["f", "l"].every(whole) : state.f.has(f) && state.l.has(l)));
// Of the attack itself only what it was asked for counts: another class than the target is no success of it.
const ownScores = (d, f) => (state.f.has(f) ? (own[[state.s, d, f]] ?? []) : []).filter(({cell}) => state.l.has(cell.l));

// How many samples are right without attack and not broken by any of the scores, of those that any of them attacked.
const robust = (s, d, rows, what) => {
  const {n, bits} = cleanOf(s, d), broken = union(n, rows, what);
  const some = rows.length && rows.every(({attacked}) => attacked) && union(n, rows, "attacked");
  const of = some ? count(some) : n;
  let k = 0;
  for (let i = 0; i < bits.length; i++) k += ONES[bits[i] & ~broken[i] & (some ? some[i] : 255)];
  return {k, n: of, value: k / of};
};
const worst = (s, d) => robust(s, d, scoresOf(s, d));

const wilson = ({k, n, value: p}) => {
  const z2 = 1.959963984540054 ** 2, mid = (k + z2 / 2) / (n + z2), half = Math.sqrt(z2 * (n * p * (1 - p) + z2 / 4)) / (n + z2);
  return [Math.max(0, mid - half), Math.min(1, mid + half)];
};

// The attack that broke most samples; ties go to the first in the alphabet.
const who = ({f, l}) => [names.f[f] ?? f, names.l[l] ?? l];
const strongest = (s, d) => {
  const {n} = cleanOf(s, d), groups = {};
  for (const row of scoresOf(s, d)) (groups[who(row.cell).join(row.cell.norm)] ??= []).push(row);
  const ranked = Object.keys(groups).sort().map((key) => [count(union(n, groups[key])), groups[key][0].cell]);
  const [most, cell] = ranked.sort(([a], [b]) => b - a)[0] ?? [0];
  return most ? who(cell).join(` ${cell.label} · `) : "none broke any";
};
