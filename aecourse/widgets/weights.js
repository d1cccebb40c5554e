// Where a widget's weights come from: Python, or a script beside the page.

import { readPack } from "./network.js";
import { button, h, problem } from "./controls.js";

// The pack called `name`: sent by Python, or a script beside the page that is added when needed.
// (A script, because pages opened from the disk may not fetch.)
export async function loadPack(model, name) {
  const sent = model.get("_packs")?.[name];
  if (sent) return readPack(sent);
  const packs = globalThis.aecoursePacks ??= {};
  if (!packs[name]) await addScript(`${model.get("_folder")}/${name}.js`);
  if (!packs[name]) throw new Error(`The weights file ${name}.js holds no weights.`);
  return readPack(bytesOf(packs[name]));
}

// Base64 as bytes. (Uint8Array.from with a function would take ten times as long as the loop.)
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

function addScript(src) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src, onload: resolve });
    script.onerror = () => {
      script.remove();
      reject(new Error(`The weights file ${src.split("/").pop()} did not load.`));
    };
    document.head.append(script);
  });
}

// The packs of a sweep, each loaded when it is first asked for. `get(name)` is undefined while the
// pack is on its way; `note` says so, or that it failed; `redraw` is called when that changes.
export function packsOnDemand(model, redraw) {
  const packs = {}, errors = {}, asked = {}, note = h("div");
  const load = (name) => asked[name] ??= loadPack(model, name).then(
    (pack) => { packs[name] = pack; }, (error) => { errors[name] = error; }).then(redraw);
  const again = (name) => button("Try again", () => {
    delete errors[name];
    delete asked[name];
    redraw();
  });
  const get = (name) => {
    if (packs[name]) note.replaceChildren();
    else if (errors[name])
      note.replaceChildren(problem(errors[name].message), again(name));
    else {
      note.replaceChildren("Loading…");
      load(name);
    }
    return packs[name];
  };
  return { get, note, load: async (name) => {
    await load(name);
    if (errors[name]) throw errors[name];
    return packs[name];
  } };
}
