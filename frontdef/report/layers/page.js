// Sortable tables and the switch between light and dark.
const root = document.documentElement;
root.classList.add("js");
all(".sortable").forEach((table) => makeSortable(table));
one("#theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
