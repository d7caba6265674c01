// Keyboard shortcuts: all with Alt, each may be changed or switched off (WCAG 2.1.4). AltGr, which Norwegian keyboards
// need for letters, is Ctrl+Alt and fires none.
const DEFAULTS = { next: "n", ring: "c", note: "m", transfer: "t", urgent: "u", search: "s", release: "e", list: "l", outcome: "1", record: "r", listen: "p" };
const STORE = "innringing-keys";

// In cookies, because log-out clears everything else that a browser stores.
const YEAR = 365 * 24 * 60 * 60;

const stored = (name) => document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
const store = (name, value, seconds = YEAR) => (document.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=strict`);
const chosen = () => ({ ...DEFAULTS, ...JSON.parse(decodeURIComponent(stored(STORE) ?? "{}")) });
const isOn = () => stored(`${STORE}-off`) === undefined;

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.getModifierState("AltGraph")) return;
  if (event.shiftKey && event.code === "KeyK") {
    event.preventDefault();
    openList();
    return;
  }
  if (event.shiftKey || !isOn()) return;
  const action = actionOf(event);
  const target = action && (targetIn(document.getElementById("main"), action) ?? targetIn(document, action));
  if (!target || target.disabled) return;
  event.preventDefault();
  if (!target.matches("input, select, textarea")) {
    target.click();
    return;
  }
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.focus();
});

// Enter sends the form of a list that a key leads to, as it does from a field.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches?.("select[data-action]")) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

const targetIn = (place, action) => place.querySelector(`[data-action="${action}"]`);

function actionOf(event) {
  const keys = chosen();
  const digit = /^(?:Digit|Numpad)([1-6])$/.exec(event.code);
  if (digit && keys.outcome) return `outcome-${digit[1]}`;
  const letter = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key.toLowerCase();
  return Object.keys(keys).find((action) => action !== "outcome" && keys[action] === letter);
}

function openList() {
  const dialog = document.getElementById("keys");
  if (!dialog || dialog.open) return;
  dialog.showModal();
}

document.addEventListener("toggle", (event) => event.target.id === "keys" && fill(), true);

function fill() {
  const keys = chosen();
  for (const field of document.querySelectorAll("[data-key-action]")) {
    const key = keys[field.dataset.keyAction];
    field.value = key ? `Alt+${key.toUpperCase()}` : "";
    if (field.dataset.keyAction === "outcome" && key) field.value = "Alt+1…6";
  }
  const box = document.getElementById("keys-on");
  if (box) box.checked = isOn();
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("[data-key-action]");
  if (!field || event.key === "Tab" || event.key === "Escape") return;
  event.preventDefault();
  const action = field.dataset.keyAction;
  const keys = chosen();
  if (event.key === "Backspace" || event.key === "Delete") keys[action] = "";
  else if (action === "outcome") keys[action] = "1";
  else if (/^Key[A-Z]$/.test(event.code)) {
    const letter = event.code.slice(3).toLowerCase();
    for (const other of Object.keys(keys)) if (keys[other] === letter) keys[other] = "";
    keys[action] = letter;
  }
  store(STORE, encodeURIComponent(JSON.stringify(keys)));
  fill();
});

document.addEventListener("change", (event) => {
  if (event.target.id !== "keys-on") return;
  store(`${STORE}-off`, "1", event.target.checked ? 0 : YEAR);
});
fill();
