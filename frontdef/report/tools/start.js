// Everything of the third script is wired here.
const dress = (root) => {
  all(".command code", root).forEach(withCopy);
  for (const table of all(".scroll:not(.takes + .scroll) > table", root)) {
    const take = takeable(table);
    if (table.matches(".brackets")) take.append(button("SVG", () => bars(table)));
  }
};
dress(one("main"));
for (const chart of all("#curves .chart")) one(".takes", chart.closest(".curves")).append(button("SVG", () => curves(chart)));
// What is made later is dressed when it is drawn.
document.addEventListener("drawn", ({target}) => dress(target.parentElement));
const drawer = one("#drawer");
if (drawer) new MutationObserver(() => dress(drawer)).observe(drawer, {childList: true});
if (bar && !bar.hidden) {
  bar.addEventListener("change", () => write());
  bar.addEventListener("click", ({target}) => target.dataset.action && write());
  read();
  addEventListener("hashchange", () => {
    if (location.hash.includes("=")) read();
    else write(location.hash.slice(1));
  });
}
