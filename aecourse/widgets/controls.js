// What a reader works with: elements of the page, and controls that set a widget's traits.

// h("label", {className: "x", onclick: f}, "text", child)
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
    else if (key === "style") element.style.cssText = value;
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

// Counted on the page, not here: in a notebook each widget comes with a copy of this module.
const newId = (what) =>
  `aecourse-${what}-${globalThis.aecourseIds = (globalThis.aecourseIds ?? 0) + 1}`;
export const row = (...children) => h("div", { className: "ae-row" }, ...children);
export const button = (label, onclick) => h("button", { type: "button", onclick }, label);
export const problem = (text) => h("p", { role: "alert", className: "ae-error" }, text);

// --- traits -------------------------------------------------------------------------------------

// Set several traits and tell Python.
export function update(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// A labelled range input bound to a number trait, or to `index` of a list trait, or to a trait
// with one of the values in `stops`.
export function slider(model, trait,
  { label, stops, min = 0, max = stops?.length - 1, step = stops ? 1 : 0.01, index,
    format = (v) => v }) {
  const id = newId("slider"), shown = h("span", { className: "ae-value", "aria-hidden": "true" });
  const input = h("input", { type: "range", id, min, max, step });
  const read = () => index === undefined ? model.get(trait) : model.get(trait)[index];
  const show = () => {
    input.value = stops ? stops.indexOf(read()) : read();
    shown.textContent = format(read());
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    const value = stops ? stops[input.value] : Number(input.value);
    if (index === undefined) update(model, { [trait]: value });
    else update(model, { [trait]: model.get(trait).map((v, i) => i === index ? value : v) });
  });
  model.on(`change:${trait}`, show);
  show();
  return h("div", { className: "ae-slider" }, h("label", { for: id }, label), input, shown);
}

// One of a few values, as radio buttons; options are [value, text] pairs.
export function choice(model, trait, { label, options }) {
  const name = newId("choice");
  const inputs = options.map(([value]) => h("input", { type: "radio", name, value,
    onchange: () => update(model, { [trait]: value }) }));
  const show = () => inputs.forEach((input, i) => {
    input.checked = options[i][0] === model.get(trait);
  });
  model.on(`change:${trait}`, show);
  show();
  return h("fieldset", {}, h("legend", {}, label),
    ...options.map(([, text], i) => h("label", {}, inputs[i], text)));
}

// --- pointer and keyboard ------------------------------------------------------------------------

// Call `move(event)` for a press and for every move until it is released; touch does not scroll.
export function onDrag(element, move) {
  element.style.touchAction = "none";
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
}

// While the keyboard works on `element`, `caption` says which keys there are.
export function keysInCaption(element, caption, keys) {
  const text = caption.textContent;
  element.addEventListener("focus", () => {
    caption.textContent = element.matches(":focus-visible") ? keys : text;
  });
  element.addEventListener("blur", () => { caption.textContent = text; });
}
