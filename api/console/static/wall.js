// The wall: figures that follow the departments, a clock, and what is known when the connection is lost.
const GATHER_MS = 1000;
const STALE_MS = 45_000; // three signs of life
const RETRY_MS = 5000;
const HEADERS = { "X-Repaint": "1", Accept: "text/html", "HX-Request": "true" }; // these replace htmx's own
const clock = document.getElementById("clock");
const notice = document.getElementById("lost");
const board = () => document.getElementById("board");
const hours = new Intl.DateTimeFormat("nb-NO", { timeZone: "Europe/Oslo", hour: "2-digit", minute: "2-digit" });
const edition = board().dataset.edition;
let ahead = Date.parse(board().dataset.at) - Date.now(); // the screen's own clock may be wrong
let heard = Date.now();
let timer = null;
let shown = false;

function follow() {
  const stream = new EventSource("/wall/events");
  stream.addEventListener("changed", soon);
  stream.addEventListener("still", soon);
  stream.onerror = () => {
    soon();
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, RETRY_MS);
  };
}

// Many changes at once are read once. A failed reading shows that the connection is lost.
function soon() {
  timer ??= setTimeout(repaint, GATHER_MS);
}

async function repaint() {
  shown = false;
  try {
    await htmx.ajax("GET", "/wall/board", { target: "#board", swap: "outerMorph", push: "false", request: { headers: HEADERS } });
  } catch {
    // said below
  }
  timer = null;
  if (!shown) return lost();
  if (board().dataset.edition !== edition) location.reload(); // a newer version of this page
  heard = Date.now();
  ahead = Date.parse(board().dataset.at) - heard;
  notice.hidden = true;
  document.body.classList.remove("stale");
}

function lost() {
  notice.textContent = notice.dataset.words.replace("{at}", board().dataset.clock);
  notice.hidden = false;
  document.body.classList.add("stale");
}

document.addEventListener("htmx:after:swap", () => (shown = true));

// An answer that is no board is not shown. A token that has ended leads to the form for another.
document.addEventListener("htmx:before:response", (event) => {
  const { status } = event.detail.ctx.response;
  if (status === 200) return;
  event.preventDefault();
  if (status === 401) location.reload();
});

setInterval(() => {
  clock.textContent = hours.format(Date.now() + ahead);
  if (Date.now() - heard > STALE_MS) lost();
}, 1000);

navigator.wakeLock?.request("screen").catch(() => {}); // not every screen may stay on
follow();
