"use strict";
// What the page does beyond showing pictures: search, sort, look closely, copy. It reads the cards
// from the page itself, keeps nothing, asks for nothing but pictures, and sets text only as text.

// The page's own words in Chinese, by the English ones. Titles and prompts are never translated.
const CHINESE = JSON.parse(document.currentScript.dataset.chinese);

const one = (id) => document.getElementById(id);
const grid = one("pictures");
const viewer = one("viewer");
// A page that was made in Chinese stays so; another is in Chinese for who reads that.
const madeInChinese = document.documentElement.lang === "zh-CN";
const preferred = navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag));
const chinese = madeInChinese || /^zh/i.test(preferred);

// ---- Words

/** Return a text in the page's language, its {names} replaced. */
function say(text, values = {}) {
  const template = (chinese && CHINESE[text]) || text;
  return template.replace(/\{(\w+)(:,)?\}/g, (_, name) => values[name].toLocaleString());
}

/** Put the words of an element that holds no text of a card into Chinese. */
function translate(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data;
    if (text in CHINESE) walker.currentNode.data = CHINESE[text];
  }
  for (const name of ["aria-label", "placeholder"]) {
    for (const labelled of element.querySelectorAll(`[${name}]`)) {
      labelled.setAttribute(name, say(labelled.getAttribute(name)));
    }
  }
}

function translatePage() {
  document.documentElement.lang = "zh-CN";
  document.querySelectorAll(".tools, #nothing, #viewer, .copy, .facts b").forEach(translate);
  for (const seed of grid.getElementsByTagName("data")) {
    seed.textContent = say("Seed {n}", { n: seed.value });
  }
}

/** Return what writes dates in the reader's language, or the page's Chinese, and in their zone. */
function dates(style) {
  const wanted = navigator.languages.filter((tag) => !madeInChinese || /^zh\b/i.test(tag));
  try {
    return new Intl.DateTimeFormat(madeInChinese ? [...wanted, "zh-CN"] : wanted, style);
  } catch {
    return new Intl.DateTimeFormat(undefined, style); // A browser may list what is no language.
  }
}

function showDates() {
  const day = dates({ dateStyle: "medium" });
  for (const time of grid.getElementsByTagName("time")) {
    const made = new Date(time.dateTime);
    if (!isNaN(made)) time.textContent = day.format(made);
  }
}

// ---- Pictures

/** One card, in the order of the page. What it says is read when it is asked for. */
class Picture {
  #searched;

  constructor(card, place) {
    this.card = card;
    this.place = place;
  }

  get link() { return this.card.querySelector(".look"); }
  get image() { return this.card.querySelector("img"); }
  get caption() { return this.card.querySelector("p").textContent; }
  get address() { return this.link.href; } // undefined where the page holds the thumbnails only
  get name() { return this.card.dataset.name; }
  get rewritten() { return this.card.dataset.rewritten; }
  get command() { return this.card.dataset.command; }
  get prompt() { return this.card.querySelector("p.name") ? undefined : this.caption; }
  get seed() { return this.card.querySelector("data")?.value; }
  get made() { return this.card.querySelector("time")?.dateTime; }
  get cost() { return this.card.querySelector("i")?.textContent; }
  get history() { return this.card.dataset.history; }
  get width() { return Number(this.image.getAttribute("width")); }
  get height() { return Number(this.image.getAttribute("height")); }

  /** All that the search looks at, folded once. */
  get searched() {
    this.#searched ??= fold(
      [this.caption, this.rewritten, this.name, this.seed].filter(Boolean).join("\n"),
    );
    return this.#searched;
  }
}

const pictures = Array.from(grid.children, (card, place) => new Picture(card, place));
let sorted = pictures;
let shown = pictures;

/** Return text in one form of all that read alike: wide and narrow, large and small letters. */
function fold(text) {
  return text.normalize("NFKC").toUpperCase().normalize("NFKC");
}

function search() {
  const wanted = fold(one("search").value).split(/\s+/).filter(Boolean);
  shown = sorted.filter((picture) => {
    const found = wanted.every((word) => picture.searched.includes(word));
    if (picture.card.hidden === found) picture.card.hidden = !found;
    return found;
  });
  one("nothing").hidden = shown.length > 0;
  showCount();
  scrollTo(0, 0);
}

function showCount() {
  const [n, all] = [shown.length, pictures.length];
  let text = say("{count:,} pictures", { count: n });
  if (n < all) text = say("{n} of {all} pictures", { n, all });
  else if (all === 1) text = say("{count:,} picture", { count: n });
  one("count").textContent = text;
}

// What comes first has the smallest; equals keep the page's order, newest first.
const KEYS = {
  newest: (picture) => picture.place,
  oldest: (picture) => -picture.place,
  name: (picture) => picture.name,
  seed: (picture) => Number(picture.seed ?? Infinity),
  size: (picture) => -picture.width * picture.height,
};

function sort() {
  const key = KEYS[one("sort").value];
  const inLanguage = new Intl.Collator(undefined, { numeric: true });
  const compare = key === KEYS.name ? inLanguage.compare : (a, b) => a - b;
  const keyed = pictures.map((picture) => ({ picture, key: key(picture) }));
  keyed.sort((a, b) => compare(a.key, b.key) || a.picture.place - b.picture.place);
  sorted = keyed.map(({ picture }) => picture);
  // Ten thousand cards are moved in a tenth of the time while they are not in the page.
  const { parentElement, nextSibling } = grid;
  grid.remove();
  for (const { card } of sorted) grid.append(card);
  parentElement.insertBefore(grid, nextSibling);
  search();
}

/** Show the picture itself where its thumbnail is gone, and say so where both are. */
function mend(image) {
  const link = image.parentElement;
  if (link.href && image.src !== link.href) {
    image.src = link.href;
  } else {
    image.hidden = true;
    link.append(say("The picture cannot be shown."));
  }
}

/** Load the pictures that are far from the window too. */
function loadAll() {
  for (const { image } of shown) image.loading = "eager";
}

// ---- Looking closely

let current; // The picture in the viewer.
let opener; // What had the focus before; the browser gives it back to that.

function show(place) {
  if (!(place in shown)) return;
  current = shown[place];
  zoom(false);
  showLarge(current);
  showFacts(current);
  for (const name in LABELS) label(button(name)); // "Copied" was said of another picture.
  keepFocus();
  const position = say("{n} of {all}", { n: place + 1, all: shown.length });
  one("position").textContent = position;
  one("said").textContent = viewer.open ? `${position}: ${current.caption}` : "";
  button("previous").ariaDisabled = place === 0;
  button("next").ariaDisabled = place === shown.length - 1;
  if (!viewer.open) {
    opener = document.activeElement;
    viewer.showModal();
  }
  one("panel").scrollTo(0, 0);
}

/** Give the focus to the card looked at last; this is told a moment after the viewer is gone. */
function giveFocusBack() {
  if ([opener, document.body].includes(document.activeElement)) current.link.focus();
}

function button(name) {
  return viewer.querySelector(`button[name=${name}]`);
}

/** Take the focus from what is hidden now: it would be nowhere. */
function keepFocus() {
  const { activeElement } = document;
  const lost = !viewer.contains(activeElement) || activeElement.closest("[hidden]");
  if (viewer.open && lost) one("panel").focus();
}

/** Show the thumbnail at once, and the picture as soon as it is there. */
async function showLarge(picture) {
  const large = one("large");
  large.style.setProperty("--width", `${picture.width}px`);
  large.style.setProperty("--shape", picture.width / picture.height);
  large.alt = picture.caption;
  large.src = picture.image.src;
  large.hidden = false;
  one("gone").hidden = true;
  button("zoom").hidden = !picture.address;
  one("file").hidden = !picture.address;
  if (!picture.address) return;
  one("file").href = picture.address;
  const whole = new Image();
  whole.src = picture.address;
  const readable = await decodes(whole);
  const small = readable || (await decodes(large));
  if (picture !== current) return; // The reader went on meanwhile.
  if (readable) large.src = whole.src;
  large.hidden = !small;
  button("zoom").hidden = !readable;
  one("gone").textContent = small
    ? say("The picture's file cannot be read here. This is its thumbnail.")
    : say("The picture cannot be shown.");
  one("gone").hidden = readable;
  keepFocus();
}

function decodes(image) {
  return image.decode().then(() => true, () => false);
}

function showFacts(picture) {
  setText(one("prompt"), picture.caption);
  setText(one("rewritten").lastElementChild, picture.rewritten, one("rewritten"));
  button("prompt").hidden = picture.prompt === undefined;
  button("command").hidden = picture.command === undefined;
  const made = new Date(picture.made);
  const facts = [
    `${picture.width}×${picture.height}`,
    picture.seed,
    isNaN(made) ? picture.made : dates({ dateStyle: "long", timeStyle: "long" }).format(made),
    picture.cost,
    picture.name,
    picture.history,
  ];
  one("facts").querySelectorAll("dd").forEach((place, i) => {
    setText(place, facts[i], place.parentElement);
  });
}

/** Set an element's text; without one hide it, or what is around it. */
function setText(element, text, around = element) {
  element.textContent = text ?? "";
  around.hidden = text === undefined;
}

/** Show the picture's own pixels, the point under the pointer in the middle; or fit it again. */
function zoom(on, at) {
  const [stage, large] = [one("stage"), one("large")];
  const before = large.getBoundingClientRect();
  viewer.classList.toggle("zoomed", on);
  button("zoom").ariaPressed = on;
  stage.tabIndex = on ? 0 : -1; // Arrow keys move across it while it is larger than the window.
  if (!on) return;
  const x = at ? (at.clientX - before.left) / before.width : 0.5;
  const y = at ? (at.clientY - before.top) / before.height : 0.5;
  stage.scrollTo(
    x * large.offsetWidth - stage.clientWidth / 2,
    y * large.offsetHeight - stage.clientHeight / 2,
  );
  stage.focus();
}

function toggleZoom(at) {
  if (!button("zoom").hidden) zoom(!viewer.classList.contains("zoomed"), at);
}

const ACTIONS = {
  previous: () => show(shown.indexOf(current) - 1),
  next: () => show(shown.indexOf(current) + 1),
  first: () => show(0),
  last: () => show(shown.length - 1),
  zoom: toggleZoom,
  close: () => viewer.close(),
};
const KEYBOARD = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", z: "zoom" };

// ---- Copying

const LABELS = { prompt: "Copy prompt", command: "Copy command" };

async function copy(button, picture) {
  const copied = await write(picture[button.name]);
  if (viewer.contains(button) && picture !== current) return;
  const said = one(viewer.open ? "said" : "told");
  button.textContent = said.textContent = copied ? say("Copied") : say("Not copied");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    label(button);
    said.textContent = ""; // The same words a second time are told only when they are new.
  }, 2000);
}

function label(button) {
  button.textContent = say(LABELS[button.name]);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeByEvent(text); // A page from http:// of another machine has no clipboard.
  }
}

function writeByEvent(text) {
  let written = false;
  const give = (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    written = true;
  };
  document.addEventListener("copy", give, true);
  document.execCommand("copy");
  document.removeEventListener("copy", give, true);
  return written;
}

// ---- What the reader does

function onClick(event) {
  const { target } = event;
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const card = target.closest("figure");
  const pressed = target.closest("button[name]");
  if (pressed?.name in LABELS) {
    copy(pressed, card ? pictures.find((picture) => picture.card === card) : current);
  } else if (pressed) {
    ACTIONS[pressed.name]();
  } else if (target.closest(".look") && plain) {
    event.preventDefault();
    show(shown.findIndex((picture) => picture.card === card));
  } else if (target.id === "large") {
    toggleZoom(event);
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key === "Z" ? "z" : event.key; // Caps Lock
  const moves = key !== "z" && viewer.classList.contains("zoomed");
  if (viewer.open && key in KEYBOARD && !moves) {
    event.preventDefault();
    ACTIONS[KEYBOARD[key]]();
  } else if (!viewer.open && event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    one("search").select();
  }
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
one("search").addEventListener("input", search);
// The first letter is then found as quickly as the others.
one("search").addEventListener("focus", () => pictures.forEach((picture) => picture.searched));
one("sort").addEventListener("change", sort);
viewer.addEventListener("close", giveFocusBack);
// An image's error is told to the image only: it does not rise, but it can be caught on its way.
grid.addEventListener("error", (event) => mend(event.target), true);
// A browser prints at once what it has: of a small gallery all pictures are there before.
addEventListener("load", () => {
  if (pictures.length <= 200) loadAll();
});
addEventListener("beforeprint", loadAll);

// Not in the HTML: a browser would try it for the page too, and complain where a key came first.
one("panel").autofocus = true;
document.documentElement.classList.remove("no-script");
if (chinese && !madeInChinese) {
  translatePage();
  showCount();
}
showDates();
for (const { image } of pictures) {
  if (image.complete && !image.naturalWidth) mend(image); // It failed before this script came.
}
