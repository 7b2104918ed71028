"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const QUESTIONS = ["persuasiveness", "personalization", "faithfulness"];
const CHOICES = [["left", "the first"], ["same", "about the same"], ["right", "the second"]];
const find = (id) => document.getElementById(id);
const state = { rater: "", cards: [], at: 0, answers: {} };

function make(tag, text, parent) {
  const element = document.createElement(tag);
  if (text) element.textContent = text; // Never innerHTML: titles and texts come from outside.
  if (parent) parent.append(element);
  return element;
}

// Mulberry32 after an FNV-1a hash: the same rater sees the same order again, another rater another one.
function drawFrom(seed) {
  let hash = 2166136261;
  for (const character of seed) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return () => {
    hash = (hash + 0x6d2b79f5) | 0;
    let mixed = Math.imul(hash ^ (hash >>> 15), 1 | hash);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffle(list, draw) {
  const shuffled = [...list];
  for (let last = shuffled.length - 1; last > 0; last -= 1) {
    const other = Math.floor(draw() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other], shuffled[last]];
  }
  return shuffled;
}

const storageKey = () => `prism-rating:${data.form_id}:${state.rater}`;

function save() {
  try {
    localStorage.setItem(storageKey(), JSON.stringify({ at: state.at, answers: state.answers }));
  } catch {
    find("storage").hidden = false;
  }
}

function restore() {
  try {
    Object.assign(state, JSON.parse(localStorage.getItem(storageKey())) ?? {});
  } catch {
    find("storage").hidden = false;
  }
}

function begin(event) {
  event.preventDefault();
  state.rater = find("rater").value.trim();
  if (!state.rater) return;
  const draw = drawFrom(`${data.form_id}|${state.rater}`);
  state.cards = [...shuffle(data.texts, draw), ...shuffle(data.pairs, draw)];
  restore();
  find("start").hidden = true;
  find("download").hidden = false;
  show();
}

const isPair = (card) => "left" in card;
const listQuestions = (card) => (isPair(card) ? ["choice"] : QUESTIONS);
const answersOf = (card) => (state.answers[card.id] ??= {});
const isComplete = (card) => listQuestions(card).every((question) => question in (state.answers[card.id] ?? {}));

function show() {
  document.activeElement?.blur(); // What had the focus is hidden or replaced now, and would swallow the next key.
  scrollTo(0, 0);
  const isDone = state.at >= state.cards.length;
  find("work").hidden = isDone;
  find("end").hidden = !isDone;
  if (isDone) {
    find("download").focus();
    return;
  }
  const card = state.cards[state.at];
  find("progress").max = state.cards.length;
  find("progress").value = state.cards.filter(isComplete).length;
  find("place").textContent = `${state.at + 1} of ${state.cards.length}`;
  find("facts").replaceChildren(
    ...card.facts.flatMap(([label, text]) => [make("dt", label), make("dd", text)]),
  );
  find("card").replaceChildren(...(isPair(card) ? buildPair(card) : buildText(card)));
  find("back").disabled = state.at === 0;
  update(card);
}

function buildText(card) {
  const scale = [1, 2, 3, 4, 5].map((grade) => [grade, String(grade)]);
  const questions = QUESTIONS.map((question) => buildQuestion(card, question, question, scale));
  return [make("blockquote", card.text), ...questions];
}

function buildPair(card) {
  const pair = make("div");
  pair.className = "pair";
  make("blockquote", card.left, pair);
  make("blockquote", card.right, pair);
  return [pair, buildQuestion(card, "choice", "Which text would you rather show to this user?", CHOICES)];
}

function buildQuestion(card, name, title, options) {
  const fieldset = make("fieldset");
  make("legend", title[0].toUpperCase() + title.slice(1), fieldset);
  const scale = make("div", "", fieldset);
  scale.className = "scale";
  for (const [place, [value, words]] of options.entries()) {
    const label = make("label", "", scale);
    const input = make("input", "", label);
    Object.assign(input, { type: "radio", name, value, checked: answersOf(card)[name] === value });
    input.addEventListener("change", () => answer(card, name, value));
    label.append(` ${typeof value === "number" ? words : `${place + 1}: ${words}`}`);
  }
  return fieldset;
}

function answer(card, name, value) {
  answersOf(card)[name] = value;
  save();
  update(card);
}

function update(card) {
  find("next").disabled = !isComplete(card);
  find("progress").value = state.cards.filter(isComplete).length;
}

function move(step) {
  state.at = Math.max(0, Math.min(state.cards.length, state.at + step));
  save();
  show();
}

function pressKey(event) {
  const isTyping = event.target instanceof HTMLInputElement && event.target.type === "text";
  if (find("work").hidden || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const card = state.cards[state.at];
  if (event.key === "Backspace" && state.at > 0) {
    event.preventDefault();
    move(-1);
  } else if (event.key === "Enter" && !(event.target instanceof HTMLButtonElement)) {
    event.preventDefault();
    if (isComplete(card)) move(1);
  } else if (/^[1-5]$/.test(event.key)) {
    grade(card, Number(event.key));
  }
}

// A digit answers the question that has the focus, or else the first open one; the next one then has the focus.
function grade(card, digit) {
  const questions = listQuestions(card);
  const focused = document.activeElement?.name;
  const open = questions.find((question) => !(question in answersOf(card)));
  const name = questions.includes(focused) ? focused : open;
  const inputs = name ? [...document.getElementsByName(name)] : [];
  if (!inputs[digit - 1]) return;
  inputs[digit - 1].checked = true;
  answer(card, name, isPair(card) ? CHOICES[digit - 1][0] : digit);
  const next = questions[questions.indexOf(name) + 1];
  (next ? document.getElementsByName(next)[0] : inputs[digit - 1]).focus();
}

function collect() {
  const complete = state.cards.filter(isComplete).map((card) => ({ id: card.id, ...answersOf(card) }));
  return {
    form_id: data.form_id,
    rater: state.rater,
    ratings: complete.filter((entry) => !("choice" in entry)),
    preferences: complete.filter((entry) => "choice" in entry),
  };
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(collect(), null, 2)], { type: "application/json" }));
  link.download = `ratings-${data.form_id}-${state.rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

find("start").addEventListener("submit", begin);
find("card").addEventListener("submit", (event) => event.preventDefault());
find("back").addEventListener("click", () => move(-1));
find("again").addEventListener("click", () => move(-1));
find("next").addEventListener("click", () => move(1));
find("download").addEventListener("click", download);
document.addEventListener("keydown", pressKey);
find("rater").focus();
