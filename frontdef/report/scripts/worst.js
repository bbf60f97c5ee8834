// Worst cases over any choice of families and libraries, sample by sample, from the bits of the page.
const unpack = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const count = (bytes) => bytes.reduce((total, byte) => total + byte.toString(2).replaceAll("0", "").length, 0);
const union = (n, scores) => {
  const joined = new Uint8Array(Math.ceil(n / 8));
  for (const {broken} of scores) broken.forEach((byte, i) => (joined[i] |= byte));
  return joined;
};

const clean = {}, scores = {};
for (const [model, d, n, bits] of data.clean) clean[[model, d]] = {n, bits: unpack(bits)};
for (const [s, c, bits, distance, some, own] of data.scores) (scores[[s, cells[c].d]] ??= []).push({cell: cells[c], broken: unpack(bits), success: unpack(own ?? bits), distance, attacked: some && unpack(some)});

const cleanOf = (s, d) => clean[[settings[s].model, d]];
const scoresOf = (s, d) => (scores[[s, d]] ?? []).filter(({cell}) => state.f.has(cell.f) && state.l.has(cell.l));
// Of the attack itself only what it was asked for counts: another class than the target is no success of it.
const ownScores = (d, f) => scoresOf(state.s, d).filter(({cell}) => cell.f === f && cell.at.includes(state.s)).map((score) => ({...score, broken: score.success}));

// How many samples are right without attack and not broken by any of the scores, of those that any of them attacked.
const robust = (s, d, attackScores) => {
  const {n, bits} = cleanOf(s, d), broken = union(n, attackScores), partly = attackScores.length && attackScores.every(({attacked}) => attacked);
  const attacked = partly ? union(n, attackScores.map(({attacked}) => ({broken: attacked}))) : null;
  const k = count(bits.map((byte, i) => byte & ~broken[i] & (attacked ? attacked[i] : 255))), of = attacked ? count(attacked) : n;
  return {k, n: of, value: k / of};
};
const worst = (s, d) => robust(s, d, scoresOf(s, d));

const wilson = ({k, n, value: p}) => {
  const z2 = 1.959963984540054 ** 2, middle = (k + z2 / 2) / (n + z2), half = Math.sqrt(z2 * (n * p * (1 - p) + z2 / 4)) / (n + z2);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
};

// The attack that broke most samples; ties go to the first in the alphabet.
const strongest = (s, d) => {
  const {n} = cleanOf(s, d), groups = {};
  for (const score of scoresOf(s, d)) (groups[[names.f[score.cell.f], score.cell.norm, names.l[score.cell.l]]] ??= []).push(score);
  const ranked = Object.keys(groups).sort().map((key) => [count(union(n, groups[key])), groups[key][0].cell]);
  const [most, cell] = ranked.reduce((best, next) => (next[0] > best[0] ? next : best), [0]);
  return most ? `${names.f[cell.f]} ${cell.label} · ${names.l[cell.l]}` : "none broke any";
};
