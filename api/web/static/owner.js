"use strict";
// Say that a warning is known; turn Web Push on and off for this browser.

document.getElementById("cards").addEventListener("click", async (event) => {
  const id = event.target.dataset.seen;
  if (!id) return;
  event.target.disabled = true;
  const answer = await fetch(`/api/v1/warnings/${id}/acknowledgement`, { method: "POST" }).catch(() => null);
  if (answer?.ok) event.target.remove();
  else event.target.disabled = false;
});

const card = document.getElementById("push");
const status = card.querySelector("[data-status]");
const button = card.querySelector("button");
const isSupported = "serviceWorker" in navigator && "PushManager" in window && card.dataset.key !== "";

function show(message, action) {
  status.textContent = message;
  button.hidden = !action;
  button.textContent = action ?? "";
}
async function send(method, body) {
  const answer = await fetch("/api/v1/push/subscriptions", {
    method, headers: { "content-type": "application/json", "x-csrf-token": card.dataset.csrf }, body: JSON.stringify(body),
  });
  if (!answer.ok && answer.status !== 404) throw new Error(`${answer.status}`);
}
function keyBytes(text) {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}
async function refresh() {
  if (!isSupported) return show(card.dataset.unsupported);
  if (Notification.permission === "denied") return show(card.dataset.denied);
  const registration = await navigator.serviceWorker.register("/sw.js");
  const subscription = await registration.pushManager.getSubscription();
  return subscription ? show(card.dataset.isOn, card.dataset.off) : show("", card.dataset.on);
}
button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const registration = await navigator.serviceWorker.ready;
    const old = await registration.pushManager.getSubscription();
    if (old) {
      await send("DELETE", { endpoint: old.endpoint });
      await old.unsubscribe();
    } else if (await Notification.requestPermission() === "granted") {
      const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: keyBytes(card.dataset.key) });
      await send("POST", made.toJSON());
    }
    await refresh();
  } catch {
    show(card.dataset.failed, card.dataset.on);
  }
  button.disabled = false;
});
refresh().catch(() => show(card.dataset.failed, card.dataset.on));
