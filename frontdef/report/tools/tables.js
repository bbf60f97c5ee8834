// A table as it stands on the page, filtered and sorted, as CSV, Markdown or LaTeX (booktabs).
const columnsOf = (table) => [...table.tHead.rows[0].cells].map((cell, i) => ({i, cell})).filter(({cell}) => !cell.hidden && !cell.matches(".axis-cell"));
const rowsOf = (table) => {
  const columns = columnsOf(table);
  // A long table makes the rows that it does not show.
  const long = new CustomEvent("rows", {detail: {fits: () => true, rows: []}});
  table.dispatchEvent(long);
  const rows = table.matches(".long") ? long.detail.rows : [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return [columns.map(({cell}) => plain(cell)), ...rows.map((row) => columns.map(({i}) => plain(row.cells[i])))];
};
// A spreadsheet takes a text that begins with one of these for a formula.
const quoted = (text) => (/^[=+@\t]/.test(text) ? `'${text}` : text).replace(/^(.*[",\n].*)$/s, (whole) => `"${whole.replaceAll('"', '""')}"`);
const LATEX = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "ℓ∞": "$\\ell_\\infty$", ℓ: "$\\ell$", ε: "$\\varepsilon$", "–": "--", "×": "$\\times$", "±": "$\\pm$", "≤": "$\\leq$", "→": "$\\to$", "✓": "\\checkmark", "✕": "$\\times$", "≈": "$\\approx$", "≠": "$\\neq$", "≉": "$\\not\\approx$", "…": "\\ldots{}", "·": "$\\cdot$"};
const escaped = (text) => text.replace(/ℓ∞|[\\~^ℓε–×±≤→✓✕≈≠≉…·]|[{}$&#%_]/g, (mark) => LATEX[mark] ?? `\\${mark}`);
const FORMATS = {
  CSV: ["csv", (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n")],
  Markdown: ["md", ([head, ...rows], table) => [head, columnsOf(table).map(({cell}) => (cell.matches(".num") ? "---:" : "---")), ...rows].map((row) => `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`).join("\n")],
  LaTeX: ["tex", ([head, ...rows], table) => {
    const line = (row) => `    ${row.map(escaped).join(" & ")} \\\\`;
    const kinds = columnsOf(table).map(({cell}) => (cell.matches(".num, [data-f]") ? "r" : "l")).join("");
    return ["% \\usepackage{booktabs,amssymb}", "\\begin{table}", `  \\caption{${escaped(plain(table.caption))}}`, "  \\centering", `  \\begin{tabular}{${kinds}}`, "    \\toprule", line(head), "    \\midrule", ...rows.map(line), "    \\bottomrule", "  \\end{tabular}", "\\end{table}"].join("\n");
  }],
};
const takeable = (table) => {
  const buttons = Object.entries(FORMATS).map(([name, [ending, write]]) => button(name, () => save(`${stem(table)}.${ending}`, `${write(rowsOf(table), table)}\n`, "text/plain")));
  const take = make("p", {class: "takes", "aria-label": "Save this table"}, ...buttons);
  table.closest(".scroll").before(take);
  return take;
};
