// Keyboard shortcuts: all with Alt, each may be changed or switched off (WCAG 2.1.4). AltGr, which Norwegian keyboards
// need for letters, is Ctrl+Alt and fires none.
const DEFAULTS = { next: "n", ring: "c", search: "s", release: "e", list: "l", outcome: "1", record: "r", listen: "p" };
const STORE = "innringing-keys";

const chosen = () => ({ ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORE) ?? "{}") });
const isOn = () => localStorage.getItem(`${STORE}-off`) === null;

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.getModifierState("AltGraph")) return;
  if (event.shiftKey && event.code === "KeyK") {
    event.preventDefault();
    openList();
    return;
  }
  if (event.shiftKey || !isOn()) return;
  const action = actionOf(event);
  const target = action && document.querySelector(`[data-action="${action}"]`);
  if (!target || target.disabled) return;
  event.preventDefault();
  if (target.matches("input")) target.focus();
  else target.click();
});

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
  localStorage.setItem(STORE, JSON.stringify(keys));
  fill();
});

document.addEventListener("change", (event) => {
  if (event.target.id !== "keys-on") return;
  if (event.target.checked) localStorage.removeItem(`${STORE}-off`);
  else localStorage.setItem(`${STORE}-off`, "1");
});
fill();
