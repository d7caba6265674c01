// Ask before the session ends for lack of use. Pages in other tabs that use it count too.
const WARNING_SECONDS = 120;
const tabs = new BroadcastChannel("innringing-session");
let lastUse = Date.now();

export function used() {
  lastUse = Date.now();
  tabs.postMessage("used");
}

tabs.onmessage = () => {
  lastUse = Date.now();
  const dialog = document.getElementById("staying");
  if (dialog?.open) dialog.close();
};

export function watchIdleness({ idle, left, csrf, ended }) {
  const dialog = document.getElementById("staying");
  const limit = Date.now() + left * 1000;
  document.getElementById("stay").addEventListener("click", async () => {
    const answer = await fetch("/session/stay", { method: "POST", headers: { "X-CSRF-Token": csrf() } });
    dialog.close();
    if (answer.ok) used();
    else ended();
  });
  setInterval(() => {
    const end = Math.min(lastUse + idle * 1000, limit);
    const seconds = (end - Date.now()) / 1000;
    if (seconds <= 0) {
      if (dialog.open) dialog.close();
      ended();
    } else if (seconds <= Math.min(WARNING_SECONDS, idle / 2) && !dialog.open) {
      dialog.showModal();
    }
  }, 1000);
}
