// Everything of the second script is wired here.
all("main .command code").forEach(withCopy);
for (const table of all("main table")) {
  const take = takeable(table);
  if (table.matches(".brackets")) take.append(button("SVG", () => bars(table)));
}
for (const chart of all("#curves .chart")) one(".takes", chart.closest(".curves")).append(button("SVG", () => curves(chart)));
// Where the page is narrow, a cell stands below the title of its column.
for (const table of all("main :is(.stack, .heat-map)")) {
  const titles = [...table.tHead.rows[0].cells].map(plain);
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => (cell.dataset.h = titles[i]));
}
const drawer = one("#drawer");
if (drawer) {
  new MutationObserver(() => {
    all("code", drawer).forEach(withCopy);
    all(".scroll:not(.takes + .scroll) > table", drawer).forEach(takeable);
  }).observe(drawer, {childList: true});
}
if (bar && !bar.hidden) {
  bar.addEventListener("change", () => write());
  bar.addEventListener("click", ({target}) => target.dataset.action && write());
  read();
  addEventListener("hashchange", () => {
    if (location.hash.includes("=")) read();
    else write(location.hash.slice(1));
  });
}
