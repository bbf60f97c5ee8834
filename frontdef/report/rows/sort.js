// Headers become buttons; a table keeps its order when its numbers change.
const keyed = (value) => (isNaN(value) || value === "" ? value : +value);
const key = (cell) => keyed(cell.dataset.v ?? cell.textContent.trim());
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : `${a}`.localeCompare(b));
const order = (table) => {
  const header = one("[aria-sort$=ending]", table), body = table.tBodies[0];
  if (!header) return;
  const sign = header.ariaSort === "ascending" ? 1 : -1, keyOf = (row) => key(row.cells[header.cellIndex]);
  const rows = [...body.rows], sorted = rows.toSorted((a, b) => sign * compare(keyOf(a), keyOf(b)));
  if (sorted.some((row, i) => row !== rows[i])) body.append(...sorted);
};
const makeSortable = (table, draw = order) => {
  const headers = all("thead th:not(.fixed)", table);
  for (const header of headers) {
    const button = make("button", {type: "button"}, ...header.childNodes);
    header.append(button);
    header.ariaSort ??= "none";
    button.onclick = () => {
      const next = {none: header.matches(".num") ? "descending" : "ascending", ascending: "descending", descending: "ascending"}[header.ariaSort];
      headers.forEach((heading) => (heading.ariaSort = "none"));
      header.ariaSort = next;
      draw(table);
    };
  }
};
