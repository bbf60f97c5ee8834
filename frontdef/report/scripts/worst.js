// Worst cases over any choice of families and libraries, sample by sample, from the bits of the page.
const unpack = (text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt());
const count = (bytes) => [...bytes].map((byte) => byte.toString(2)).join("").replaceAll("0", "").length;
const union = (n, rows, what = "broken") => {
  const joined = new Uint8Array((n + 7) / 8);
  for (const row of rows) row[what].forEach((byte, i) => (joined[i] |= byte));
  return joined;
};

const clean = {}, scores = {};
for (const [model, d, n, bits] of data.clean) clean[[model, d]] = {n, bits: unpack(bits)};
const add = (s, d, bits, row) => (scores[[s, d]] ??= []).push({broken: unpack(bits), ...row});
for (const [s, c, bits, distance, some, own] of data.scores) add(s, cells[c].d, bits, {cell: cells[c], success: unpack(own ?? bits), distance, attacked: some && unpack(some)});
// Attacks of a diagnosis are of no family and library: they count while none is left out.
for (const [s, d, f, bits] of data.evidence) add(s, d, bits, {cell: {...settings[s], f, l: "diagnosis"}, attacked: []});

const cleanOf = (s, d) => clean[[settings[s].model, d]];
const scoresOf = (s, d) => (scores[[s, d]] ?? []).filter(({cell: {f, l}}) => (isNaN(f) ? ["f", "l"].every(whole) : state.f.has(f) && state.l.has(l)));
// Of the attack itself only what it was asked for counts: another class than the target is no success of it.
const ownScores = (d, f) => scoresOf(state.s, d).filter(({cell}) => cell.f === f && cell.at.includes(state.s));

// How many samples are right without attack and not broken by any of the scores, of those that any of them attacked.
const robust = (s, d, rows, what) => {
  const {n, bits} = cleanOf(s, d), broken = union(n, rows, what);
  const some = rows.length && rows.every(({attacked}) => attacked) && union(n, rows, "attacked");
  const k = count(bits.map((byte, i) => byte & ~broken[i] & (some?.[i] ?? 255))), of = some ? count(some) : n;
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
