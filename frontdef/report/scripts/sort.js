// Headers become buttons; a table keeps its order when its numbers change.
const key = (cell) => {
  const value = cell.dataset.v ?? cell.textContent.trim();
  return isNaN(value) || value === "" ? value : +value;
};
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : `${a}`.localeCompare(b));
const order = (table) => {
  const header = one("[aria-sort$=ending]", table), body = table.tBodies[0];
  if (!header) return;
  const sign = header.ariaSort === "ascending" ? 1 : -1, keyOf = (row) => key(row.cells[header.cellIndex]);
  body.append(...[...body.rows].sort((a, b) => sign * compare(keyOf(a), keyOf(b))));
};
const makeSortable = (table) => {
  const headers = all("thead th:not(.fixed)", table);
  for (const header of headers) {
    const button = make("button", {type: "button"}, ...header.childNodes);
    header.append(button);
    header.ariaSort ??= "none";
    button.onclick = () => {
      const next = {none: header.matches(".num") ? "descending" : "ascending", ascending: "descending", descending: "ascending"}[header.ariaSort];
      headers.forEach((heading) => (heading.ariaSort = "none"));
      header.ariaSort = next;
      order(table);
    };
  }
};
