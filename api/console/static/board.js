// The Monday board: choose many at once. Without this the boxes still work, one by one.
const boxes = () => [...document.querySelectorAll('#rows input[name="id"]')];

export function prepareBoard() {
  if (!document.getElementById("board")) return;
  for (const button of document.querySelectorAll("[data-chooses]")) button.hidden = false;
  count();
}

function count() {
  const said = document.getElementById("chosen");
  if (!said) return;
  const n = boxes().filter((box) => box.checked).length;
  said.textContent = `(${n ? said.dataset[n === 1 ? "one" : "other"].replace("{n}", n) : said.dataset.none})`;
}

document.addEventListener("change", (event) => {
  if (event.target.matches('#rows input[name="id"]')) count();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chooses]");
  if (!button) return;
  const own = [...button.closest("section").querySelectorAll('input[name="id"]')];
  const all = own.every((box) => box.checked);
  for (const box of own) box.checked = !all;
  count();
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches('#rows input[name="id"]')) return;
  event.preventDefault();
  const all = boxes();
  all[all.indexOf(event.target) + step]?.focus();
});

// After a sort the work goes on where it stopped: at the box that has taken the place of the first one chosen.
let sorting = null;
let place = 0;
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (!ctx.sourceElement?.closest?.("#sorting")) return;
  sorting = ctx;
  place = Math.max(boxes().findIndex((box) => box.checked), 0);
});

document.addEventListener("htmx:after:swap", (event) => {
  prepareBoard();
  if (event.detail.ctx !== sorting || !document.querySelector("#board [role=status] p")) return;
  const all = boxes();
  for (const box of all) box.checked = false;
  count();
  all[Math.min(place, all.length - 1)]?.focus();
});
