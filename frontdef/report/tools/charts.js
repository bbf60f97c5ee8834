// A drawing of the page as an SVG file of its own: what the style sheet says is written into its elements.
const SPACE = "http://www.w3.org/2000/svg";
const LOOK = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "font-family", "text-anchor", "overflow"];
const drawing = (tag, props, ...children) => {
  const element = document.createElementNS(SPACE, tag);
  Object.entries(props).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
};
const still = (svg) => {
  const copy = svg.cloneNode(true), {width, height} = svg.getBoundingClientRect();
  const theirs = [svg, ...all("*", svg)], mine = [copy, ...all("*", copy)];
  mine.forEach((element, i) => {
    const style = getComputedStyle(theirs[i]);
    if (style.display === "none") return element.remove();
    LOOK.forEach((name) => element.setAttribute(name, style.getPropertyValue(name)));
    element.removeAttribute("class");
  });
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return {copy, width, height};
};
const put = (copy, x, y) => drawing("g", {transform: `translate(${x} ${y})`}, copy);
const words = (text, x, y, anchor = "start") => {
  const style = getComputedStyle(document.body);
  return drawing("text", {x, y, "text-anchor": anchor, fill: style.color, "font-size": 13, "font-family": style.fontFamily}, text);
};
const file = (name, width, height, ...children) => {
  const ground = getComputedStyle(root).backgroundColor;
  const whole = drawing("svg", {width, height, viewBox: `0 0 ${width} ${height}`}, still(one("svg.defs")).copy, drawing("rect", {width, height, fill: ground}), ...children);
  save(`${name}.svg`, new XMLSerializer().serializeToString(whole), "image/svg+xml");
};
// The curves with the names that the table beside them has.
const curves = (chart) => {
  const {copy, width, height} = still(chart), rows = all("tbody tr:not([hidden])", chart.closest(".curves")), left = 52, top = 34;
  const legend = rows.flatMap((row, i) => [put(still(one(".swatch", row)).copy, left + width + 24, top + 18 * i), words(plain(row.cells[0]), left + width + 60, top + 18 * i + 10)]);
  file(stem(chart), left + width + 300, Math.max(top + height + 50, top + 18 * rows.length), put(copy, left, top), ...legend);
};
// The brackets: a line a defense, with its bar and its number.
const bars = (table) => {
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden), left = 260, axis = still(one(".axis", table)), wide = left + axis.width + 160, tall = 40 + 30 * rows.length;
  const grid = [0, 25, 50, 75, 100].map((tick) => drawing("line", {x1: left + (axis.width * tick) / 100, x2: left + (axis.width * tick) / 100, y1: 28, y2: tall - 8, stroke: getComputedStyle(one(".grid", table)).stroke}));
  const bar = (row) => {
    const {copy} = still(one(".bar", row));
    all("line[y1='-30']", copy).forEach((line) => line.remove());
    return copy;
  };
  const lines = rows.flatMap((row, i) => [words(plain(row.cells[0]), 10, 49 + 30 * i), put(bar(row), left, 30 + 30 * i), words(`${plain(one("[data-k=worst]", row))} (${plain(one("[data-k=interval]", row))})`, wide - 10, 49 + 30 * i, "end")]);
  file(stem(table), wide, tall, put(axis.copy, left, 8), ...grid, ...lines);
};
