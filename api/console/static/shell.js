// The shell: it stays while `<main>` is swapped. Sessions that end, errors, drafts, copying.
import "./keys.js";
import { used, watchIdleness } from "./idle.js";
import { prepareBoard } from "./board.js";
import { follow } from "./live.js";
import { sayDays } from "./days.js";

const body = document.body;
const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

document.addEventListener("htmx:config:request", (event) => {
  const { request } = event.detail.ctx;
  if (request.method !== "GET") request.headers["X-CSRF-Token"] = csrf();
});

// A session that has ended: keep the page, ask for a new log-in in a dialog.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.headers.get("X-Log-In")) {
    event.preventDefault();
    askToLogIn();
  } else if (!ctx.request.headers["X-Repaint"]) {
    used();
  }
});

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.request.method === "GET") return;
  const fields = [...document.querySelectorAll("[data-draft]")].filter((field) => field.value !== field.defaultValue);
  kept = fields.map((field) => ({ id: field.id, text: field.value, was: field.defaultValue, card: cardId(), sent: ctx.sourceElement.contains(field) }));
});

// A note that is being written survives every other action on its card, and a refusal; never on another patient's card.
let kept = [];
const cardId = () => document.getElementById("card")?.dataset.id;
let shown = cardId();
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const target = ctx.target?.id ?? String(ctx.target).replace("#", "");
  if (ctx.request) document.getElementById("connection").hidden = true;
  if (target === "changed" || target === "dial") return; // a part of the same page
  if (cardId() !== shown) for (const form of document.querySelectorAll("#main form")) form.reset(); // the morph leaves what was typed
  shown = cardId();
  const refused = ctx.response?.raw?.status >= 400;
  for (const { id, text, was, card, sent } of kept) {
    const field = document.getElementById(id);
    if (field && card === cardId() && field.value === was && (refused || !sent)) field.value = text;
  }
  kept = [];
  marked();
  if (!ctx.request?.headers["X-Repaint"]) requestAnimationFrame(goToHeading);
});

// A new page is read from its heading, or from what has just happened. The morph takes the focus from a heading that was there before.
function goToHeading() {
  const main = document.getElementById("main");
  const heading = main.querySelector('[role="alert"]:not(:empty), #next-step, [autofocus], h1');
  if (!heading || (main.contains(document.activeElement) && document.activeElement !== main)) return;
  if (!heading.matches("[autofocus]")) heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

document.addEventListener("htmx:after:history:update", () => {
  marked();
  goToHeading();
  window.scrollTo(0, 0);
});

document.addEventListener("htmx:error", () => {
  document.getElementById("connection").hidden = false;
});

// A reader of the page knows which page it is, though the head is not swapped.
function marked() {
  for (const link of document.querySelectorAll("header nav a")) {
    const here = location.pathname.startsWith(new URL(link.href).pathname);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  sayDays();
  follow();
}

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const copier = event.target.closest("[data-copies]");
  if (copier) {
    const source = document.getElementById(copier.dataset.copies);
    source.select();
    await navigator.clipboard.writeText(source.value);
    copier.textContent = copier.dataset.done;
  }
});

document.addEventListener("change", (event) => {
  const filters = event.target.closest("form.filters select");
  if (filters) filters.form.requestSubmit();
});

function askToLogIn() {
  const dialog = document.getElementById("log-in-dialog");
  if (dialog && !dialog.open) dialog.showModal();
}

document.getElementById("log-in-again")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const fields = new FormData(form);
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ name: fields.get("name"), password: fields.get("password"), ...(fields.get("code") ? { code: fields.get("code") } : {}) }),
  });
  const document_ = await answer.json();
  const alert = document.getElementById("log-in-again-alert");
  if (answer.ok) {
    renew(document_.csrf);
    alert.hidden = true;
    form.reset();
    document.getElementById("log-in-dialog").close();
    follow(true);
    return;
  }
  if (document_.type?.endsWith(":second-factor-needed")) {
    document.getElementById("again-code-field").hidden = false;
    document.getElementById("again-code").focus();
    return;
  }
  alert.textContent = document.getElementById("log-in-dialog").dataset.wordsFailed;
  alert.hidden = false;
});

function renew(token) {
  document.querySelector('meta[name="csrf"]').content = token;
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = token;
  used();
}

if (body.dataset.idleSeconds) {
  watchIdleness({ idle: Number(body.dataset.idleSeconds), left: Number(body.dataset.secondsLeft), csrf, ended: askToLogIn });
}
prepareBoard();
sayDays();
follow();
