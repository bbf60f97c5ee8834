// Long tables and lists come as text. What is seen of them is made when it is needed, so many rows at a time.
const AT_ONCE = 100;
// A row as text: what the filters ask of it.
const lineOf = (html) => ({html, dataset: Object.fromEntries([...html.slice(0, html.indexOf(">")).matchAll(/data-(\w)="([^"]*)"/g)].map(([, name, value]) => [name, value.split(" ")]))});
const keyOf = ({html}, i) => {
  const cell = html.split(/<t[hd](?=[ >])/)[i + 1], value = /^[^>]*data-v="([^"]*)"/.exec(cell);
  return keyed(value ? value[1] : cell.slice(cell.indexOf(">") + 1).replace(/<[^>]*>/g, "").trim());
};
// What is ticked in each menu, and the number of the setting; null where there is nothing to choose from.
const choice = () => (one("#bar").hidden ? null : {s: new Set([one("#eps").value]), ...Object.fromEntries(all(".menu").map((menu) => [menu.dataset.kind, new Set(all(":checked", menu).map((box) => box.value))]))});
const passes = (chosen) => ({dataset: {s, ...rest}}) => !chosen || ((!s || s.some((i) => chosen.s.has(i))) && Object.entries(rest).every(([kind, values]) => !chosen[kind] || values.every((i) => chosen[kind].has(i))));

const makeLong = (source) => {
  const [start, ...texts] = source.textContent.split(/\n(?=<(?:tr|figure)[ >])/), lines = texts.map(lineOf);
  const parse = (rows) => new DOMParser().parseFromString([start, ...rows.map(({html}) => html)].join("\n"), "text/html").body.firstElementChild;
  const bodyOf = (element) => element.tBodies?.[0] ?? element;
  const made = (rows) => {
    const wanted = rows.filter(({element}) => !element);
    if (wanted.length) [...bodyOf(parse(wanted)).children].forEach((element, i) => (wanted[i].element = element));
    return rows.map(({element}) => element);
  };
  const kept = () => {
    const rows = lines.filter(passes(choice())), header = root && one("[aria-sort$=ending]", root);
    if (!header) return rows;
    const keys = new Map(rows.map((line) => [line, keyOf(line, header.cellIndex)])), sign = header.ariaSort === "ascending" ? 1 : -1;
    return rows.sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
  };
  let limit = AT_ONCE, root, rest;
  const draw = () => {
    if (!root) return;
    const rows = kept(), seen = made(rows.slice(0, limit));
    bodyOf(root).replaceChildren(...seen);
    if (root.tHead) entitle(root);
    show(rest, seen.length < rows.length);
    rest.firstChild.textContent = `${seen.length} of ${rows.length.toLocaleString("en")} shown `;
    root.dispatchEvent(new Event("drawn", {bubbles: true}));
  };
  const more = (words, number) => {
    const button = make("button", {type: "button"}, words);
    button.onclick = () => {
      limit += number;
      draw();
    };
    return button;
  };
  // Whoever needs rows that are not seen asks for them: a table that is saved is saved whole.
  const told = ({detail}) => detail.rows.push(...made(kept().filter(detail.fits)));
  const open = () => {
    if (root) return;
    root = parse([]);
    rest = make("p", {class: "rest", hidden: ""}, make("span", {}), more(`${AT_ONCE} more`, AT_ONCE), more("all", Infinity));
    root.classList.add("long");
    root.addEventListener("rows", told);
    source.replaceWith(root);
    root.after(rest);
    if (root.matches(".sortable")) makeSortable(root, draw);
    draw();
  };
  source.addEventListener("rows", told);
  return {home: source.closest("details"), count: () => kept().length, draw, open};
};
