// Everything is wired here.
const render = () => {
  applyFilters();
  updateBrackets();
  updateHeat();
  updateGrid();
  updateCurves();
  showBar();
  document.dispatchEvent(new Event("shown"));
};

const root = document.documentElement;
root.classList.add("js");
show(bar, settings.length);
if (settings.length) render();

bar.onsubmit = (event) => event.preventDefault();
bar.onchange = ({target}) => {
  const menu = target.closest(".menu");
  if (menu) state[menu.dataset.kind] = new Set(all(":checked", menu).map((box) => +box.value));
  else state.s = target.id === "eps" ? +target.value : nearest({...settings[state.s], [target.id]: target.value});
  render();
};
bar.onclick = ({target}) => {
  const kind = target.closest(".menu")?.dataset.kind, action = target.dataset.action;
  if (!action) return;
  if (action === "none") state[kind] = new Set();
  else (kind ? [kind] : Object.keys(names)).forEach(chooseAll);
  render();
};
one("#theme").onclick = () => {
  const {theme} = root.dataset, dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
one("#heat").onclick = (event) => {
  const link = event.target.closest("a.cell");
  if (!link) return;
  event.preventDefault();
  openDrawer(+link.closest("tr").dataset.d, +link.parentElement.dataset.f);
};
drawer.onclick = ({target}) => target === drawer && drawer.close();
const closeMenus = (keep) => all(".menu[open]").forEach((menu) => (menu.open = keep(menu)));
document.onclick = ({target}) => closeMenus((menu) => menu.contains(target));
document.addEventListener("focusin", document.onclick);
document.onkeydown = ({key}) => {
  if (key !== "Escape") return;
  // The focus does not go under with what held it.
  document.activeElement.closest(".menu[open]")?.querySelector("summary").focus();
  closeMenus(() => false);
};
