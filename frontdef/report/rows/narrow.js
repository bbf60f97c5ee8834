// Where the page is narrow, a cell stands below the title of its column.
const titleOf = (header) => {
  const copy = header.cloneNode(true);
  all("br", copy).forEach((line) => line.replaceWith(" / "));
  return copy.textContent.trim();
};
const entitle = (table) => {
  const titles = [...table.tHead.rows[0].cells].map(titleOf);
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => (cell.dataset.h = titles[i]));
};
