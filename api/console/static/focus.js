// Whatever took away what had the focus: the keyboard goes on there again, or from the heading, never from nowhere.
let place = null; // a selector; empty for what has no name; null where the keyboard is not on the page's own part

document.addEventListener("pointerdown", () => { place = null; }, true);
document.addEventListener("focusin", ({ target }) => {
  if (!target.closest("#main")) place = null;
  else if (target.id) place = `#${CSS.escape(target.id)}`;
  else place = target.name ? `#main [name="${target.name}"][value="${CSS.escape(target.value)}"]` : "";
});

const isNowhere = () => document.activeElement === document.body;

// What had the focus has it again, also where a morph has put another element in its place.
export function backToPlace() {
  if (place && isNowhere()) document.querySelector(place)?.focus({ preventScroll: true });
}

new MutationObserver(() => {
  if (place !== null && isNowhere()) setTimeout(goOn, 100); // after those who know better
}).observe(document.body, { childList: true, subtree: true });

function goOn() {
  if (place === null) return;
  backToPlace();
  const heading = document.querySelector("#main h1");
  if (!heading || !isNowhere()) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
