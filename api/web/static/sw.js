"use strict";
// Shows warnings. The tag is the warning's own id: a repeated delivery replaces the notification and stays silent.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let warning = {};
  try { warning = event.data.json(); } catch { /* not ours: the browser still wants a notification */ }
  event.waitUntil(show(warning));
});

async function show(warning) {
  const isUrgent = warning.severity === "S0" || warning.severity === "S1";
  await self.registration.showNotification(warning.title ?? "Anxin", {
    body: warning.body ?? "",
    tag: warning.warning_id ?? "anxin",
    renotify: false,
    requireInteraction: isUrgent,
    lang: warning.lang ?? "",
    icon: "/static/icon.svg",
    data: { url: warning.url ?? "/owner", id: warning.warning_id },
  });
  if (warning.warning_id) await receipt(warning.warning_id);
}

async function receipt(id) {
  const subscription = await self.registration.pushManager.getSubscription().catch(() => null);
  await fetch(`/api/v1/receipts/${encodeURIComponent(id)}`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ endpoint: subscription?.endpoint ?? null }),
  }).catch(() => { /* the warning was shown; the receipt is lost with the network */ });
}

// Whoever touches a warning knows of it: nobody else has to be told.
async function acknowledge(id) {
  await fetch(`/api/v1/warnings/${encodeURIComponent(id)}/acknowledgement`, { method: "POST", credentials: "same-origin" })
    .catch(() => { /* the page that opens offers it again */ });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url, id } = event.notification.data ?? {};
  event.waitUntil(Promise.all([id && acknowledge(id), open(url ?? "/owner")]));
});

async function open(url) {
  const target = new URL(url, self.location.origin);
  if (target.origin !== self.location.origin) target.href = `${self.location.origin}/owner`;
  for (const client of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    if (new URL(client.url).pathname === target.pathname) return client.focus();
  }
  return self.clients.openWindow(target.href);
}
