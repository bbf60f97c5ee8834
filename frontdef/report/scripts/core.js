// Shorthands, the data, and the state that the filters change: setting s, and which d(efenses), f(amilies), l(ibraries) count.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const data = JSON.parse(one("#data").textContent), {settings, cells, names} = data;
// What many cells say stands once.
for (const cell of cells) Object.assign(cell, data.said[cell.said]);
const state = {s: data.start};
const chooseAll = (kind) => (state[kind] = new Set(names[kind].keys()));
const whole = (kind) => state[kind].size === names[kind].length;
Object.keys(names).forEach(chooseAll);

const make = (tag, props, ...children) => {
  const element = document.createElement(tag);
  set(element, props);
  element.append(...children);
  return element;
};
const set = (element, props) => Object.entries(props).forEach(([name, value]) => element.setAttribute(name, value));
const show = (element, yes) => element.toggleAttribute("hidden", !yes);
const numbers = (text) => text.split(" ").map(Number);
// Half to even, as Python: a quarter is the one tie that toFixed breaks otherwise.
const share = (value) => (value == null ? "–" : ((value *= 100) - 0.05 * (value % 1 === 0.25)).toFixed(1));
const short = (value) => (value == null ? "–" : value < 100 ? `${+value.toPrecision(3)}` : Math.round(value).toLocaleString("en"));
