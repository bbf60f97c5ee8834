// The bar: which setting is shown, and which defenses, families and libraries count.
const bar = one("#bar");
const passes = ({dataset: {s, g, d, f, l}}) =>
  (s === undefined || numbers(s).includes(state.s)) && (g === undefined || +g === settings[state.s].group) &&
  Object.entries({d, f, l}).every(([kind, value]) => value === undefined || numbers(value).every((i) => state[kind].has(i)));

const applyFilters = () => {
  for (const element of all("main :is([data-s],[data-g],[data-d],[data-f],[data-l]):not(.long *)")) show(element, passes(element));
};

const fill = (id, options, value) => {
  const select = one(id);
  select.replaceChildren(...[...new Map(options)].map(([key, text]) => make("option", {value: key}, text)));
  select.value = value;
  select.disabled = select.length < 2;
  return select;
};
const showBar = () => {
  const here = settings[state.s], near = settings.filter((row) => row.model === here.model);
  const model = fill("#model", settings.map((row) => [row.model, row.model]), here.model);
  show(model.parentElement, model.length > 1);
  fill("#norm", near.map((row) => [row.norm, row.label]), here.norm);
  fill("#eps", near.filter((row) => row.norm === here.norm).map((row) => [settings.indexOf(row), row.shown]), state.s);
  for (const menu of all(".menu")) {
    const {kind} = menu.dataset, chosen = state[kind];
    one("output", menu).value = whole(kind) ? "all" : `${chosen.size} of ${names[kind].length}`;
    menu.classList.toggle("on", !whole(kind));
    for (const box of all("input", menu)) box.checked = chosen.has(+box.value);
  }
};

// Another model or norm keeps as much of the setting as it can: the norm, then the nearest ε.
const nearest = (wanted) => {
  const far = (row) => (row.model !== wanted.model) * 1e9 + (row.norm !== wanted.norm) * 1e8 + Math.abs(row.eps - wanted.eps);
  return settings.indexOf(settings.reduce((best, row) => (far(row) < far(best) ? row : best)));
};
