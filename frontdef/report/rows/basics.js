// The script of the tables' rows: their order, and the long ones. It learns from the page's controls what is shown.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, props, ...children) => {
  const element = document.createElement(tag);
  Object.entries(props).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
};
const show = (element, yes) => element.toggleAttribute("hidden", !yes);
