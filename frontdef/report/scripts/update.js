// Puts the numbers of the selected families and libraries into the tables and drawings that the page came with.
const at = (value) => `${100 * value}%`;
// What stands there already is left alone: the browser need not lay it out again.
const write = (element, text) => element.textContent === text || (element.textContent = text);
const put = (cell, value) => {
  cell.dataset.v = value ?? -1;
  write(one("b", cell) ?? cell, share(value));
};
const shown = (id, selector) => all(`#${id} .pane:not([hidden]) ${selector}`);

const updateBrackets = () => {
  for (const row of shown("brackets", "tr[data-d]:not([hidden])")) {
    const d = +row.dataset.d, lowest = worst(state.s, d), {value} = lowest, [low, high] = wilson(lowest);
    const part = (key) => one(`[data-k=${key}]`, row), proved = Math.min(Math.max(part("certified").dataset.v, 0), value);
    for (const [name, props] of Object.entries({
      open: {x: at(proved), width: at(value - proved)}, proved: {width: at(proved)}, span: {x1: at(low), x2: at(high)},
      low: {x1: at(low), x2: at(low)}, high: {x1: at(high), x2: at(high)}, end: {x: at(value)},
    })) set(one(`.${name}`, row), props);
    put(part("worst"), value);
    write(part("interval"), `${share(low)} – ${share(high)}`);
    write(part("strongest"), strongest(state.s, d));
  }
};

// What a cell of the heat map is made of is looked up once.
const parts = new Map();
const partsOf = (cell) => {
  const link = one("a", cell);
  return link && {value: one(".value", link), cross: one(".cross", link), some: one(".n", link), dot: one(".dot", link)};
};
const updateHeat = () => {
  for (const row of shown("heat", "tr[data-d]:not([hidden])")) {
    const d = +row.dataset.d;
    put(one(".worst", row), worst(state.s, d).value);
    for (const cell of all("[data-f]", row)) {
      const f = +cell.dataset.f, own = ownScores(d, f), n = own.length, {value, n: of} = n ? robust(state.s, d, own, "success") : {};
      cell.className = n ? `heat h${Math.round(value * (data.steps - 1))}` : "heat";
      cell.dataset.v = value ?? -1;
      if (!parts.has(cell)) parts.set(cell, partsOf(cell));
      const part = parts.get(cell);
      if (!part) continue;
      write(part.value, n || !part.cross ? share(value) : "");
      write(part.some, `/${of}`);
      show(part.some, n && of < cleanOf(state.s, d).n);
      show(part.dot, pairsOf(f, [d], "matched").some((row) => /diff|unexp|inval/.test(row[5])));
    }
  }
};

// Comparisons of a family in this setting, of two selected libraries, of the defenses and, if asked for, of the mode.
const compared = {};
for (const row of data.agreements) (compared[row.slice(0, 3)] ??= []).push(row);
const pairsOf = (f, defenses, mode) => [...defenses].flatMap((d) => compared[[state.s, d, f]] ?? []).filter((row) => state.l.has(row[3]) && state.l.has(row[4]) && (!mode || row[12] === mode));
const mark = (verdict, number) => make("span", {class: `mark ${verdict}`, title: verdict}, data.marks[verdict], make("span", {class: number ? "sr" : ""}, ` ${verdict}`), number ? ` ${number}` : "");
const updateGrid = () => {
  for (const row of shown("agreement", "tr[data-f]:not([hidden])")) {
    const comparisons = pairsOf(+row.dataset.f, state.d, row.closest("table").dataset.mode);
    for (const cell of all("[data-l]", row)) {
      const pair = numbers(cell.dataset.l), mine = comparisons.filter(([, , , a, b]) => pair.includes(a) && pair.includes(b));
      const marks = Object.keys(data.marks).map((verdict) => [verdict, mine.filter((comparison) => comparison[5] === verdict).length]);
      const told = marks.filter(([, number]) => number).map((counted) => mark(...counted)), text = told.map((element) => element.textContent).join("") || "–";
      if (cell.textContent !== text) cell.replaceChildren(...(told.length ? told : [text]));
    }
  }
};

const updateCurves = () => {
  for (const series of shown("curves", ".series")) {
    const points = all(".point", series).map((point) => {
      const s = point.dataset.at, d = +series.dataset.d, value = s === "" ? robust(state.s, d, []).value : worst(s, d).value;
      point.setAttribute("y", at(1 - value));
      return `${parseFloat(point.getAttribute("x"))},${100 - 100 * value}`;
    });
    one("polyline", series).setAttribute("points", points.join(" "));
  }
  for (const cell of shown("curves", "[data-col]")) {
    const s = cell.dataset.col;
    cell.classList.toggle("here", +s === state.s);
    if (cell.matches("td") && cell.dataset.v >= 0) put(cell, worst(s, cell.parentElement.dataset.d).value);
  }
};
