// What changes at the desk shows here within a second. One stream per browser: the tab that holds the lock reads it and
// passes it on, since a browser opens only six connections to a host.
const tabs = new BroadcastChannel("innringing-live");
const COLLECT_MS = 100;
// These replace htmx's own. Without the last, a log-in that has ended would be answered by its page, in place of the list.
const HEADERS = { "X-Repaint": "1", Accept: "text/html", "HX-Request": "true" };
let changed = new Map();
let timer = null;
let arrived = new Set();
let stream = null;
let lost = null;
let asked = "";
let rowsCame = false;

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
  stream.onmessage = (event) => {
    pass({ kind: "change", change: JSON.parse(event.data) });
  };
}

function pass(message) {
  tabs.postMessage(message);
  receive(message);
}

function receive({ kind, change }) {
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
  } else if (change.callback) {
    changed.set(change.callback, change);
    timer ??= setTimeout(show, COLLECT_MS);
  }
}

export function follow(again = false) {
  arrived = new Set();
  if (again && stream?.readyState === EventSource.CLOSED) open();
  const polls = document.querySelector("[data-polls]");
  if (polls) setTimeout(() => poll(polls), 1000);
}

function poll(element) {
  if (!element.isConnected) return;
  repaint(element.dataset.polls, `#${element.id}`, "outerHTML").then(() => {
    const still = document.querySelector("[data-polls]");
    if (still) setTimeout(() => poll(still), 1000);
    else if (document.getElementById("card")) checkCard();
  });
}

function repaint(address, target, swap) {
  return htmx.ajax("GET", address, { target, swap, push: "false", request: { headers: HEADERS } });
}

async function show() {
  timer = null;
  const ids = [...changed.keys()];
  const changes = changed;
  changed = new Map();
  const card = document.querySelector('[data-live="card"]');
  if (card) cardChanged(card, changes.get(card.dataset.id));
  const list = document.querySelector("[data-rows]");
  if (!list || document.getElementById("pause")?.checked) return;
  const [path, own] = list.dataset.rows.split("?");
  const query = new URLSearchParams(own ?? location.search);
  for (const name of ["cursor", "empty", "sent"]) query.delete(name);
  for (const id of ids.slice(0, 200)) query.append("id", id);
  rowsCame = false;
  await repaint(`${path}?${query}`, "#changed", "innerHTML");
  if (rowsCame && document.querySelector("[data-rows]")?.dataset.rows === list.dataset.rows) merge(ids); // the person may have gone on to another page
}

function cardChanged(card, change) {
  if (change && change.version !== null && change.version > Number(card.dataset.version)) document.getElementById("newer").hidden = false;
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
      if (row.dataset.group !== old.dataset.group) arrived.add(id); // its place on the board is another one
      replace(old, row);
    } else if (old) {
      if (busy) old.dataset.gone = "";
      else old.remove();
    } else if (row) {
      arrived.add(id);
      if (row.dataset.urgent !== undefined) announce(row);
    }
  }
  document.getElementById("changed").replaceChildren();
  offer(busy);
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

function offer(busy) {
  if (!arrived.size) return;
  if (!busy) refresh();
  else offerWith((arrived.size === 1 ? "one" : "other"), arrived.size);
}

function offerWith(words, n) {
  const button = document.getElementById("show-new");
  button.textContent = button.dataset[words].replace("{n}", n);
  button.hidden = false;
}

// A stream begins with the next change. What happened between the page and the stream is read from the list.
function catchUp() {
  if (document.getElementById("pause")?.checked) return;
  if (isBusy()) offerWith("some", 0);
  else refresh();
}

function announce(row) {
  document.getElementById("announce").textContent = row.querySelector("th, label").innerText;
}

document.addEventListener("click", (event) => {
  if (event.target.id === "show-new") refresh();
});

// Rows that a refused request did not bring have not gone.
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if ((ctx.target?.id ?? ctx.target) === "changed") rowsCame = true;
});

// A list that arrives after the person has gone on to another page must not replace that page.
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  const late = ctx.request?.headers["X-Repaint"] && (ctx.target?.id ?? ctx.target) === "main" && asked !== location.href;
  if (late) event.preventDefault();
});

function refresh() {
  arrived = new Set();
  asked = location.href;
  const kind = document.querySelector("[data-live]")?.dataset.live;
  if (kind && kind !== "card") htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main", swap: "outerMorph", push: "false", request: { headers: HEADERS } });
  if (kind === "card") checkCard();
}

async function checkCard() {
  const card = document.querySelector('[data-live="card"]');
  const answer = await fetch(`/callbacks/${card.dataset.id}/version`, { headers: { "X-Repaint": "1", Accept: "application/json" } });
  if (answer.ok && card.isConnected) cardChanged(card, { version: (await answer.json()).version });
}
