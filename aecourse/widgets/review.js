// A self-test: questions drawn at random, each answer explained, the score kept on this device.
import { randomNumbers } from "./network.js";
import { button, choice, h, row, update } from "./controls.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

// The questions' small markup as nodes, never as HTML: `code`, *emphasis*, x_{sub}, x^{sup}.
function rich(text) {
  const tags = ["code", "em", "sub", "sup"], nodes = [];
  let last = 0;
  for (const found of text.matchAll(/`([^`]+)`|\*([^*]+)\*|_\{([^}]+)\}|\^\{([^}]+)\}/g)) {
    const kind = found.slice(1).findIndex((group) => group !== undefined);
    nodes.push(text.slice(last, found.index), h(tags[kind], {}, found[kind + 1]));
    last = found.index + found[0].length;
  }
  return [...nodes, text.slice(last)];
}

// Questions of the chosen chapters in random order, one of each before the second of any.
function shuffled(questions, chosen, seed) {
  const { uniform } = randomNumbers(seed), found = [];
  const shuffle = (list) => {
    for (let i = list.length - 1; i > 0; i--) {
      const j = Math.floor(uniform() * (i + 1));
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  };
  let piles = chosen.map((topic) => shuffle(questions.filter((q) => q.topic === topic)));
  while ((piles = piles.filter((pile) => pile.length)).length)
    found.push(...shuffle(piles.map((pile) => pile.pop())));
  return found;
}

// The last result of each question, {id: 0 or 1}; only in memory where the browser keeps nothing.
function scores() {
  const store = "aecourse-review";
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(store)) ?? {}; } catch { /* not allowed */ }
  const save = () => {
    try { localStorage.setItem(store, JSON.stringify(kept)); } catch { /* not allowed */ }
  };
  return {
    set(id, right) { kept[id] = right ? 1 : 0; save(); },
    clear() { kept = {}; save(); },
    values: () => Object.values(kept),
  };
}

// What stands on the page; `act`, `start` and `clear` are what its buttons do.
function elements(model, names, { act, start, clear }) {
  const group = `quiz-${Math.random()}`;
  const inputs = [0, 1, 2, 3].map((i) => h("input", { type: "radio", name: group,
    onchange: () => update(model, { choice: i }) }));
  const texts = inputs.map(() => h("span")), verdicts = inputs.map(() => h("b"));
  const labels = inputs.map((input, i) => h("label", {}, input, texts[i], verdicts[i]));
  const legend = h("legend", { tabIndex: -1 }), action = h("button", { type: "submit" });
  const count = h("p", { style: "color: var(--ae-muted)" }), result = h("div", { role: "status" });
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); act(); } },
    h("fieldset", { className: "ae-quiz" }, legend, ...labels), result, row(action));
  const summary = h("div", { tabIndex: -1 });
  const boxes = names.map((_, i) => h("input", { type: "checkbox", onchange: () =>
    start({ chapters: model.get("chapters").map((on, j) => i === j ? 1 - on : on) }) }));
  const settings = h("details", {}, h("summary", {}, "Chapters and length"),
    h("fieldset", {}, h("legend", {}, "Ask about"),
      ...boxes.map((box, i) => h("label", {}, box, names[i]))),
    choice(model, "n", { label: "Questions", options: [[5, "5"], [10, "10"], [20, "20"]] }));
  const buttons = row(button("New draw", () => start({}, true)), button("Clear score", clear));
  return { inputs, texts, verdicts, labels, legend, action, count, result, form, summary, boxes,
    all: [count, form, summary, buttons, settings] };
}

async function view(model, root) {
  const questions = JSON.parse((await loadPack(model, "review")).meta.questions);
  const topics = [...new Set(questions.map((q) => q.topic))], score = scores();
  const names = topics.map((topic) =>
    questions.find((q) => q.topic === topic).page.replace("_", " "));
  const state = (...traits) => traits.map((trait) => model.get(trait));
  let order = [], orderOf = "", marks = [], shown = "";

  const draw = () => { // the questions of this draw
    const [chapters, n, seed] = state("chapters", "n", "seed"), key = `${chapters} ${seed}`;
    if (key !== orderOf) {
      [orderOf, marks] = [key, []];
      order = shuffled(questions, topics.filter((_, i) => chapters[i]), seed);
    }
    return order.slice(0, n);
  };
  function start(values = {}, focus = false) {
    const seed = 1 + Math.floor(Math.random() * 999998);
    update(model, { seed, position: 0, choice: -1, checked: false, ...values });
    if (focus) focusQuestion();
  }
  function clear() {
    score.clear();
    start({}, true);
  }
  // Check the answer, or go on.
  function act() {
    const [position, marked, checked] = state("position", "choice", "checked");
    if (checked) {
      update(model, { position: position + 1, choice: -1, checked: false });
      focusQuestion();
    } else if (marked < 0) {
      page.result.textContent = "Choose one of the four options first.";
    } else {
      const question = draw()[position];
      marks[position] = marked === question.answer;
      score.set(question.id, marks[position]);
      update(model, { checked: true });
      page.action.focus(); // the options are closed now
    }
  }
  // Once the next question stands there: a screen reader reads it, the keyboard goes on from it.
  function focusQuestion() {
    requestAnimationFrame(() => (page.summary.hidden ? page.legend : page.summary).focus());
  }
  const page = elements(model, names, { act, start, clear });
  root.append(...page.all);
  if (!model.get("seed")) start();

  // A notebook has no pages to link to.
  const inBook = model.get("_folder") !== undefined;
  function section({ page: file, section: label, title }) {
    const place = `chapter ${file.slice(0, 2)}, “${title}”`;
    return inBook ? h("a", { href: `${file}.html#${label}` }, place) : place;
  }
  function explanation(question, marked) {
    const { options, why, answer } = question;
    if (marked === answer) return [h("p", {}, h("b", {}, "Right. "), ...rich(why[answer])),
      h("p", {}, "More in ", section(question), ".")];
    return [h("p", {}, h("b", {}, "Not so. "), ...rich(why[marked])),
      h("p", {}, h("b", {}, "Right is: "), ...rich(options[answer]), ". ", ...rich(why[answer])),
      h("p", {}, "Read again: ", section(question), ".")];
  }
  function showQuestion(question, last) {
    const [position, marked, checked] = state("position", "choice", "checked");
    page.inputs.forEach((input, i) =>
      Object.assign(input, { checked: i === marked, disabled: checked }));
    if (!checked && marked >= 0) page.result.replaceChildren(); // a hint to choose is obsolete
    const key = [orderOf, position, checked, last, checked && marked].join();
    if (key === shown) return; // the rest has not changed, and is not read out again
    shown = key;
    page.legend.replaceChildren(...rich(question.question));
    question.options.forEach((option, i) => {
      const right = checked && i === question.answer, wrong = checked && i === marked && !right;
      page.texts[i].replaceChildren(...rich(option));
      page.labels[i].className = right ? "ae-right" : wrong ? "ae-wrong" : "";
      page.verdicts[i].textContent = right ? "✓ right" : wrong ? "✗ your answer" : "";
    });
    page.action.textContent = !checked ? "Check" : last ? "Result" : "Next question";
    page.result.replaceChildren(...checked && marked >= 0 ? explanation(question, marked) : []);
  }
  function showSummary(asked) {
    const missed = asked.filter((_, i) => marks[i] === false);
    const sections = [...new Map(missed.map((q) => [q.page + q.section, q])).values()];
    const right = marks.slice(0, asked.length).filter(Boolean).length;
    page.summary.replaceChildren(h("p", {}, h("b", {}, `${right} of ${asked.length} right. `),
      sections.length ? "Read again:" : "Draw again in a week."),
    h("ul", {}, ...sections.map((question) => h("li", {}, section(question)))));
  }

  return {
    draw() {
      const asked = draw(), position = model.get("position"), question = asked[position];
      page.form.hidden = !question;
      page.summary.hidden = Boolean(question);
      page.boxes.forEach((box, i) => { box.checked = Boolean(model.get("chapters")[i]); });
      if (question) {
        page.count.textContent = `Question ${position + 1} of ${asked.length} · `
          + names[topics.indexOf(question.topic)];
        showQuestion(question, position + 1 === asked.length);
      } else if (asked.length) {
        page.count.textContent = "Result";
        showSummary(asked);
      } else {
        page.count.textContent = "";
        page.summary.textContent = "Choose at least one chapter.";
      }
    },
    live: "off", // the explanation of an answer is what is read out
    describe() {
      const values = score.values(), right = values.filter(Boolean).length;
      return `Score on this device: ${right} right of ${values.length} answered; `
        + `${questions.length} questions in all.`;
    },
    probe: () => ({ inputs: [...state("seed", "n"), ...model.get("chapters")],
      outputs: draw().map((question) => questions.indexOf(question)) }),
  };
}

export default widget(view);
