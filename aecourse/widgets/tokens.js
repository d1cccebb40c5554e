// One transformer, both ways: it continues a word by a digit, and a digit by a word.

import { choice, h } from "./controls.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";
import { bilingualOf } from "./bilingual.js";
import { readingPane } from "./reading.js";
import { writingPane } from "./writing.js";

async function view(model, root, redraw) {
  const both = bilingualOf(await loadPack(model, "tokens"));
  const writing = writingPane(model, both, sequenceLine());
  const reading = readingPane(model, both, sequenceLine(), redraw);
  const panes = { "word to digit": writing, "digit to word": reading };
  root.append(choice(model, "direction", { label: "Direction",
    options: [["word to digit", "Word → digit"], ["digit to word", "Digit → word"]] }),
    writing.element, reading.element);
  const pane = () => panes[model.get("direction")];
  both.rehearse();
  return {
    draw() {
      for (const each of [writing, reading]) each.element.hidden = each !== pane();
      return pane().draw();
    },
    describe: () => pane().describe(),
    probe: () => pane().probe(),
  };
}

// The one sequence that the transformer sees in a direction: marks, letters and codes.
function sequenceLine() {
  const element = h("p", { role: "group", "aria-label": "The sequence of tokens",
    style: "margin: 0.5rem 0 0; font: 0.8rem/1.5 ui-monospace, monospace" });
  return { element, show: (symbols) => { element.textContent = symbols.join(" "); } };
}

export default widget(view);
