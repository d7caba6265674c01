// What changes at the desk shows here within a second. One stream per browser: the tab that holds the lock reads it and
// passes it on, since a browser opens only six connections to a host. The stream brings the queue's changed rows with
// it; a page that shows others collects what has changed and asks for those rows together.
import { backToPlace } from "./focus.js";

const tabs = new BroadcastChannel("innringing-live");
const COLLECT_MS = 100;
// These replace htmx's own. Without the last, a log-in that has ended would be answered by its page, in place of the list.
const HEADERS = { "X-Repaint": "1", Accept: "text/html", "HX-Request": "true" };
const AGAIN_MS = 2000;
const TICK_MS = 60_000;
const MOST = 200;
let changed = new Map();
let timer = null;
let painting = false;
let arrived = new Set();
let stream = null;
let lost = null;
let asked = "";
let polling = null;

tabs.onmessage = ({ data }) => receive(data);

navigator.locks?.request("innringing-live", () => new Promise(() => open())) ?? open();

function open() {
  if (document.body.dataset.follows === undefined) return;
  stream = new EventSource("/queue/events");
  stream.onopen = () => pass({ kind: "open" });
  stream.onerror = () => {
    pass({ kind: "lost" });
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, 5000);
  };
  stream.addEventListener("reset", () => pass({ kind: "reset" }));
  stream.addEventListener("rows", (event) => pass({ kind: "rows", ...JSON.parse(event.data) }));
  stream.onmessage = (event) => {
    pass({ kind: "change", change: JSON.parse(event.data) });
  };
}

// The browser knows at once that the network is away; a stream may seem open for minutes.
addEventListener("offline", () => receive({ kind: "lost" }));
addEventListener("online", () => {
  if (!stream) return;
  stream.close();
  open();
});

function pass(message) {
  tabs.postMessage(message);
  receive(message);
}

function receive(message) {
  const { kind, change } = message;
  const notice = document.getElementById("connection");
  if (kind === "open") {
    clearTimeout(lost);
    lost = null;
    notice.hidden = true;
    catchUp();
  } else if (kind === "lost") {
    lost ??= setTimeout(() => (notice.hidden = false), 1500);
  } else if (kind === "reset") {
    catchUp();
  } else if (kind === "rows") {
    takeRows(message);
  } else if (change.callback) {
    changed.set(change.callback, change);
    timer ??= setTimeout(show, COLLECT_MS);
  }
}

export function follow(again = false) {
  arrived = new Set();
  if (again && stream?.readyState === EventSource.CLOSED) open();
  const polls = document.querySelector("[data-polls]");
  clearTimeout(polling);
  if (polls) polling = setTimeout(() => poll(polls), 1000);
}

async function poll(element) {
  if (!element.isConnected) return;
  await repaint(element.dataset.polls, `#${element.id}`, "outerHTML");
  const still = document.querySelector("[data-polls]");
  clearTimeout(polling);
  if (still) polling = setTimeout(() => poll(still), 1000);
  else if (document.getElementById("card")) dialEnded();
}

function repaint(address, target, swap, select) {
  return htmx.ajax("GET", address, { target, swap, select, push: "false", request: { headers: HEADERS } });
}

// One at a time: an older answer must not come after a newer one.
async function show() {
  if (painting) {
    timer = setTimeout(show, COLLECT_MS);
    return;
  }
  painting = true;
  const changes = changed;
  changed = new Map();
  let shown = false;
  try {
    const card = document.querySelector('[data-live="card"]');
    if (card) cardChanged(card, changes.get(card.dataset.id));
    shown = document.querySelector('[data-live="desk"]') ? await showFacts() : await showRows([...changes.keys()]);
  } finally {
    if (!shown) for (const [id, change] of changes) if (!changed.has(id)) changed.set(id, change);
    painting = false;
    timer = changed.size ? setTimeout(show, shown ? COLLECT_MS : AGAIN_MS) : null;
  }
}

// The leader's figures are put in their places: the forms between them are not touched.
async function showFacts() {
  await repaint("/desk", "#changed", "innerHTML", "[data-facts]");
  const found = [...document.querySelectorAll("#changed [data-facts]")];
  for (const facts of found) {
    const old = document.querySelector(`[data-live="desk"] .cards [data-facts="${facts.dataset.facts}"]`);
    if (old) replace(old, facts);
  }
  return found.length > 0 || !document.querySelector('[data-live="desk"]');
}

// Whether the page has the rows now, or needs none.
async function showRows(ids) {
  const list = document.querySelector("[data-rows]");
  if (!list || !ids.length || isPaused()) return true;
  const query = queryOf(list);
  for (const id of ids.slice(0, MOST)) query.append("id", id);
  await repaint(`${list.dataset.rows.split("?")[0]}?${query}`, "#changed", "innerHTML");
  if (document.querySelector("[data-rows]")?.dataset.rows !== list.dataset.rows) return true; // the person has gone on to another page
  if (!document.querySelector("#changed #counts")) return false; // refused, or the network is away: nothing is known of the rows
  merge(ids.slice(0, MOST));
  for (const id of ids.slice(MOST)) changed.set(id, {});
  return true;
}

// The rows that came with the stream, on a queue whose choice the browser can judge. Others ask.
async function takeRows({ lang, rows, counts }) {
  const list = document.querySelector('[data-live="queue"]');
  if (!list || painting || isPaused() || lang !== document.documentElement.lang) return;
  const query = queryOf(list);
  if (query.get("text") || ["risk", "suspected", "closed"].includes(query.get("show"))) return;
  const ids = Object.keys(rows);
  for (const id of ids) changed.delete(id);
  painting = true;
  try {
    await htmx.swap({ sourceElement: document.body, target: "#changed", swap: "innerHTML", text: `<table><tbody>${Object.values(rows).join("")}</tbody></table>${counts}` });
    for (const row of document.querySelectorAll("#changed [data-id]")) if (!belongs(row.dataset, query)) row.remove();
    for (const field of document.querySelectorAll('#changed input[name="csrf"]')) field.value = document.querySelector('meta[name="csrf"]').content;
    if (document.querySelector('[data-live="queue"]') === list) merge(ids);
  } finally {
    painting = false;
  }
}

function belongs({ status, department, topic, mine }, query) {
  const show = query.get("show");
  const wanted = query.get("topic") ?? "any";
  if (status === "closed" || (query.get("department") && query.get("department") !== department)) return false;
  if (show && (show === "mine" ? mine === undefined : status !== show)) return false;
  return wanted === "any" || (wanted === "none" ? topic === "" : wanted === `-${topic}`);
}

function queryOf(list) {
  const query = new URLSearchParams(list.dataset.rows.split("?")[1] ?? location.search);
  for (const name of ["cursor", "empty", "sent"]) query.delete(name);
  return query;
}

function isPaused() {
  return document.getElementById("pause")?.checked ?? false;
}

function cardChanged(card, change) {
  if (change && change.version != null && change.version > Number(card.dataset.version)) document.getElementById("newer").hidden = false;
}

// A row is changed where it stands. A new one, or one that has gone, moves the others: only when no one is pointing there.
function merge(ids) {
  const found = new Map([...document.querySelectorAll("#changed [data-id]")].map((row) => [row.dataset.id, row]));
  const counts = document.querySelector("#changed #counts");
  if (counts) document.querySelector("[data-rows] > .bar #counts").replaceWith(counts);
  const busy = isBusy();
  for (const id of ids) {
    const old = document.querySelector(`#rows [data-id="${id}"]`);
    const row = found.get(id);
    if (old && row) {
      if (Number(row.dataset.version) < Number(old.dataset.version)) continue;
      const moves = row.dataset.group !== old.dataset.group || row.dataset.order !== old.dataset.order;
      replace(old, row);
      if (moves && (busy || !row.dataset.order)) arrived.add(id); // its place is another one
      else if (moves) putInPlace(row);
    } else if (old) {
      if (busy) old.dataset.gone = "";
      else old.remove();
    } else if (row) {
      if (busy || !row.dataset.order || document.getElementById("empty")) arrived.add(id);
      else putInPlace(row);
      if (row.dataset.urgent !== undefined) announce(row);
    }
  }
  document.getElementById("changed").replaceChildren();
  const isEmpty = !document.querySelector("#rows [data-id]") && !document.getElementById("empty");
  if (!busy && (arrived.size || isEmpty)) refresh();
  else if (arrived.size) offerWith(arrived.size === 1 ? "one" : "other", arrived.size);
}

// In the order in which rows are claimed, which the server has written on each.
function putInPlace(row) {
  const next = [...document.querySelectorAll("#rows [data-order]")].find((each) => each !== row && each.dataset.order > row.dataset.order);
  document.getElementById("rows").insertBefore(row, next ?? null);
}

function replace(old, row) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...old.querySelectorAll("a, button, input")].indexOf(focused);
  const box = row.querySelector('input[type="checkbox"]');
  if (box) box.checked = old.querySelector('input[type="checkbox"]')?.checked ?? false;
  old.replaceWith(row);
  if (focused) (row.querySelectorAll("a, button, input")[place] ?? row.querySelector("a"))?.focus();
}

function isBusy() {
  const rows = document.getElementById("rows")?.closest("table, form");
  return Boolean(rows) && (rows.matches(":hover") || rows.contains(document.activeElement) || rows.querySelector("#rows input:checked") !== null);
}

function offerWith(words, n) {
  const button = document.getElementById("show-new");
  button.textContent = button.dataset[words].replace("{n}", n);
  button.hidden = false;
}

// A stream begins with the next change. What happened between the page and the stream is read from the list.
function catchUp() {
  if (isPaused()) return;
  if (isBusy()) offerWith("some", 0);
  else refresh();
}

function announce(row) {
  document.getElementById("announce").textContent = row.querySelector("th, label").innerText;
}

document.addEventListener("click", (event) => {
  if (event.target.id === "show-new") refresh();
});

// What happened while the list was paused.
document.addEventListener("change", (event) => {
  if (event.target.id === "pause" && !event.target.checked) refresh();
});

// «For 3 minutter siden» and «Haster snart» change by themselves.
function tick() {
  if (document.hidden) return;
  for (const row of document.querySelectorAll("#rows [data-id]")) if (!changed.has(row.dataset.id)) changed.set(row.dataset.id, {});
  if (document.querySelector("[data-live]:not([data-live='card'])")) timer ??= setTimeout(show, COLLECT_MS);
}
setInterval(tick, TICK_MS);
document.addEventListener("visibilitychange", tick);

// A list that arrives after the person has gone on to another page must not replace that page.
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  const late = ctx.request?.headers["X-Repaint"] && (ctx.target?.id ?? ctx.target) === "main" && asked !== location.href;
  if (late) event.preventDefault();
});

// A page that says why a form was refused is at the form's address, and stays until the person goes on.
const PAGES = { queue: "/queue", board: "/monday" };

function refresh() {
  const kind = document.querySelector("[data-live]")?.dataset.live;
  if (kind === "desk") showFacts();
  else if (PAGES[kind] === location.pathname) renewPage(location.pathname + location.search);
  if (kind === "card") checkCard();
}

async function renewPage(address) {
  arrived = new Set();
  asked = location.href;
  await htmx.ajax("GET", address, { target: "#main", select: "#main", swap: "outerMorph", push: "false", request: { headers: HEADERS } });
  backToPlace();
}

// A dial that recorded its outcome by itself: the card says what happens now, unless something is being written on it.
async function dialEnded() {
  const claimed = document.querySelector('#dial [data-action="ring"]');
  const writes = [...document.querySelectorAll("#card textarea, #card input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);
  if (claimed || writes) return checkCard();
  await renewPage(`${location.pathname}?dialled=true`);
  const step = document.getElementById("next-step");
  if (step && (document.activeElement === document.body || document.activeElement.id === "main")) {
    step.tabIndex = -1;
    step.focus({ preventScroll: true });
  }
}

async function checkCard() {
  const card = document.querySelector('[data-live="card"]');
  const answer = await fetch(`/callbacks/${card.dataset.id}/version`, { headers: { "X-Repaint": "1", Accept: "application/json" } });
  if (answer.ok && card.isConnected) cardChanged(card, { version: (await answer.json()).version });
}
