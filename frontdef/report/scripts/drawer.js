// A cell of the heat map, opened: libraries side by side, paired outcomes, pictures, commands.
const drawer = one("#drawer");
const row = (tag, values) => make("tr", {}, ...values.map((value, i) => make(i && tag === "td" ? "td" : "th", {class: i ? "num" : "name"}, value)));
const table = (caption, heads, rows) => make("div", {class: "scroll"}, make("table", {}, make("caption", {}, caption), make("thead", {}, row("th", heads)), make("tbody", {}, ...rows.map((values) => row("td", values)))));
const empty = (text) => make("p", {class: "empty"}, text);

const librariesOf = (d, f, several) => table("Libraries side by side", ["Library", "Robust %", "Broke", "Median distance", "Forward", "Backward", "Seconds"], ownScores(d, f).map((score) => {
  const {cell, success, distance} = score, {value} = robust(state.s, d, [score], "success");
  const name = make("span", {}, make("b", {}, names.l[cell.l]), ` ${cell.version} `, make("small", {}, several ? `${cell.asked} · ${cell.notes}` : cell.notes));
  if (cell.invalid) name.append(make("span", {class: "mark invalid"}, `! ${cell.invalid} outside the threat model`));
  return [name, make("b", {}, share(value)), `${count(success)} of ${count(cleanOf(state.s, d).bits)}`, ...[distance, cell.forwards, cell.backwards, cell.seconds].map(short)];
}));
const pairedOf = (d, f) => {
  const rows = pairsOf(f, [d]).map(([, , , a, b, verdict, both, onlyA, onlyB, neither, corrected, reason, , p]) =>
    [make("span", {}, `${names.l[a]} / ${names.l[b]}`, make("small", {}, reason)), mark(verdict), both, onlyA, onlyB, neither, short(p), short(corrected)]);
  return rows.length ? table("Of the samples that are right without attack: broken by both, by one only, by neither; p corrected (Holm) for all comparisons of the run", ["Pair", "Verdict", "Both", "Only first", "Only second", "Neither", "p", "p corrected"], rows) : empty("One library only: there is nothing to compare.");
};
const picturesOf = (d, f) => {
  const mine = ({dataset}) => +dataset.s === state.s && +dataset.d === d && +dataset.f === f;
  const folded = new CustomEvent("rows", {detail: {fits: mine, rows: []}});
  one("#gallery .long")?.dispatchEvent(folded);
  const pictures = [...all("#gallery .card:not(.long *)").filter(mine), ...folded.detail.rows].map((figure) => figure.cloneNode(true));
  pictures.forEach((figure) => show(figure, state.l.has(+figure.dataset.l)));
  return pictures.length ? make("div", {class: "cards"}, ...pictures) : empty("No picture: the attack broke nothing, or no room was left to store one.");
};

const openDrawer = (d, f) => {
  const {model, label, shown} = settings[state.s], close = make("button", {type: "button", class: "close", "aria-label": "Close"}, "✕");
  const mine = cells.filter((cell) => cell.d === d && cell.f === f && cell.at.includes(state.s) && state.l.has(cell.l));
  const asked = new Set(mine.map((cell) => cell.asked)), several = asked.size > 1;
  close.onclick = () => drawer.close();
  drawer.replaceChildren(
    make("header", {}, make("h2", {id: "drawer-title", tabindex: -1, autofocus: ""}, `${names.d[d]} under ${names.f[f]}`), close, make("p", {class: "quiet"}, [model, `${label} ε = ${shown}`, several ? "" : [...asked][0]].filter(Boolean).join(" · "))),
    librariesOf(d, f, several),
    ...mine.filter((cell) => cell.status !== "ok").map((cell) => make("p", {class: "notice"}, `${names.l[cell.l]}: ${cell.status}`)),
    pairedOf(d, f), make("h3", {}, "Pictures"), picturesOf(d, f), make("h3", {}, "Run it again"),
    ...mine.map((cell) => make("div", {}, make("small", {}, names.l[cell.l]), make("pre", {class: "command"}, make("code", {}, cell.command)))),
  );
  drawer.showModal();
};
