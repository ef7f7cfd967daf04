// The form of a schedule: only the fields of the chosen timing, and the next times while somebody types.

import { fetchFragment, gently } from "./lib/fragments.js";
import { keepTimes, ownZone, refresh } from "./lib/times.js";

const NAMES = ["csrfmiddlewaretoken", "timing", "cron", "every", "unit", "starts_at", "zone"];
const form = document.getElementById("schedule-form");
const preview = document.getElementById("preview");

function showFields() {
  for (const part of form.querySelectorAll("[data-timing]")) part.hidden = part.dataset.timing !== form.elements.timing.value;
}

// Before anything is typed there is nothing to be said about it.
function isEmpty() {
  const { timing, cron, every, starts_at: start } = form.elements;
  return !{ cron, interval: every, once: start }[timing.value].value.trim();
}

const showTimes = gently(async () => {
  preview.hidden = isEmpty();
  if (preview.hidden) return;
  const all = new FormData(form);
  const body = new URLSearchParams(NAMES.map((name) => [name, all.get(name) ?? ""]));
  const fragment = await fetchFragment(form.dataset.previewUrl, { method: "POST", body });
  if (!fragment) return;
  document.getElementById("preview-times").replaceWith(document.adoptNode(fragment.getElementById("preview-times")));
  refresh();
}, 300);

form.addEventListener("input", (event) => {
  if (!NAMES.includes(event.target.name)) return;
  showFields();
  showTimes();
});

// A second click on a slow day must not be told that the name is taken; who comes back to the page may send again.
let isSent = false;
form.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});
addEventListener("pageshow", () => {
  isSent = false;
});

if ("isNew" in form.dataset) form.elements.zone.value = ownZone;
keepTimes();
showFields();
showTimes();
