// Queueing a prompt: how much of it there is, times in the reader's own zone, and Ctrl+Enter.

import { keepTimes } from "./lib/times.js";

const form = document.getElementById("task-form");
const prompt = form.elements.prompt;
const notBefore = form.elements.not_before_at;
const count = document.getElementById("prompt-count");
const utc = document.getElementById("utc");
const most = Number(count.dataset.most);
const numbers = new Intl.NumberFormat("en");
const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });

function showCount() {
  const length = Array.from(prompt.value).length;
  count.textContent = `${numbers.format(length)} of ${numbers.format(most)} characters`;
  count.classList.toggle("too-much", length > most);
}

// Times are typed in the reader's own zone, and the server is told which one that is.
function useOwnZone() {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  form.elements.time_zone.value = zone;
  document.getElementById("id_not_before_at_helptext").textContent = `It waits until then. The time is yours (${zone}).`;
}

function showUtc() {
  const at = notBefore.value ? Date.parse(notBefore.value) : NaN;
  utc.textContent = Number.isNaN(at) ? "" : `That is ${moments.format(at)} UTC.`;
}

prompt.addEventListener("input", showCount);
notBefore.addEventListener("input", showUtc);
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// A second click on a slow day must not queue the prompt twice; who comes back to the page may send again.
let isSent = false;
form.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});
addEventListener("pageshow", () => {
  isSent = false;
});

keepTimes();
useOwnZone();
showCount();
showUtc();
