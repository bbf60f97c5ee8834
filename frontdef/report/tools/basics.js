// The third script: what is taken away from the page. It shares nothing with the others but the page itself.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;
const make = (tag, props, ...children) => {
  const element = document.createElement(tag);
  Object.entries(props).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
};
const plain = (node) => {
  const copy = node.cloneNode(true);
  all("[aria-hidden], [hidden], svg, .copy, button.take", copy).forEach((element) => element.remove());
  for (const mark of all(".mark", copy)) mark.textContent = mark.textContent.replace(/^\W+/, mark.matches(".mark + .mark") ? ", " : "");
  all("br", copy).forEach((element) => element.replaceWith(" / "));
  return copy.textContent.replace(/\s+/g, " ").trim();
};
// A file's name: the run, the section, the threat model.
const stem = (element) => {
  const pane = element.closest(".pane"), norm = pane && one("#norm").value, eps = pane?.dataset.s && one("#eps").selectedOptions[0].text;
  return [plain(one("h1")), element.closest("section, dialog").id, norm, eps].filter(Boolean).join("-").replace(/[^\w.]+/g, "-");
};
const save = (name, text, type) => {
  const address = URL.createObjectURL(new Blob([text], {type}));
  make("a", {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
};
const button = (words, act) => {
  const element = make("button", {type: "button", class: "take"}, words);
  element.onclick = act;
  return element;
};
