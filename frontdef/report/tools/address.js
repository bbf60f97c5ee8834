// The view in the address, so that it can be sent: it is read from the controls and given to them as a person would.
const bar = one("#bar");
const KINDS = {d: "defense", f: "attack", l: "library"};
const chosen = (id) => one(`#${id}`).selectedOptions[0];
const boxes = (kind) => all(`.menu[data-kind=${kind}] input`);
const named = (box) => plain(box.parentElement);
const view = () => {
  const asked = new URLSearchParams();
  if (one("#model").length > 1) asked.set("model", chosen("model").value);
  asked.set("norm", chosen("norm").value);
  asked.set("eps", chosen("eps").text);
  for (const [kind, name] of Object.entries(KINDS)) {
    const all_of = boxes(kind), ticked = all_of.filter((box) => box.checked);
    if (ticked.length < all_of.length) (ticked.length ? ticked.map(named) : [""]).forEach((value) => asked.append(name, value));
  }
  return asked;
};
const write = (section) => {
  const asked = view();
  if (section) asked.set("section", section);
  history.replaceState(null, "", `#${asked}`);
};
const pick = (id, fits) => {
  const select = one(`#${id}`), option = [...select.options].find(fits);
  if (!option) return;
  select.value = option.value;
  select.dispatchEvent(new Event("change", {bubbles: true}));
};
const read = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (!location.hash.includes("=")) return;
  if (asked.has("model")) pick("model", ({value}) => value === asked.get("model"));
  if (asked.has("norm")) pick("norm", ({value}) => value === asked.get("norm"));
  if (asked.has("eps")) pick("eps", ({text}) => text === asked.get("eps"));
  for (const [kind, name] of Object.entries(KINDS)) {
    const wanted = new Set(asked.getAll(name));
    boxes(kind).forEach((box) => (box.checked = !asked.has(name) || wanted.has(named(box))));
    boxes(kind)[0]?.dispatchEvent(new Event("change", {bubbles: true}));
  }
  const section = document.getElementById(asked.get("section"));
  section?.scrollIntoView();
  write(section?.id);
};
