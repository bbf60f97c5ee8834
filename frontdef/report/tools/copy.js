// A button beside every command.
const withCopy = (code) => {
  if (one(".copy", code.parentElement)) return;
  const element = make("button", {type: "button", class: "copy"}, "Copy");
  element.onclick = async () => {
    getSelection().selectAllChildren(code);
    await navigator.clipboard.writeText(code.textContent);
    element.textContent = "Copied";
  };
  code.after(element);
};
