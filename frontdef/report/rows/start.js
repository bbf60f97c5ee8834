// Everything of the rows is wired here.
all(".sortable").forEach((table) => makeSortable(table));
all(":is(.stack, .heat-map)").forEach(entitle);
const longs = all("noscript.long").map(makeLong);
const within = (details) => longs.filter(({home}) => home === details);
// A list without an element gives way to the words below it.
const sayEmpty = () => {
  for (const list of all(".list")) {
    const some = [...list.children].some((child) => !child.hidden), box = list.closest(".scroll") ?? list, {nextElementSibling: next} = box;
    show(box, some);
    [next, next?.nextElementSibling].filter((element) => element?.matches(".empty")).forEach((empty) => show(empty, !some));
  }
};
const settle = () => {
  all(".sortable:not(.long)").forEach(order);
  longs.forEach(({draw}) => draw());
  for (const cause of all(".cause")) show(cause, (one(".times", cause).textContent = within(cause)[0].count()));
  sayEmpty();
};
longs.filter(({home}) => !home).forEach(({open}) => open());
document.addEventListener("toggle", ({target}) => {
  const mine = within(target);
  mine.forEach(({open}) => open());
  if (mine.length) sayEmpty();
}, true);
document.addEventListener("shown", settle);
settle();
