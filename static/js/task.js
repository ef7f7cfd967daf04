// One task: its output as it comes, its status and history, and the buttons without leaving the page.

import { announce } from "./lib/announce.js";
import { fetchFragment, gently, remember, swap } from "./lib/fragments.js";
import { LiveFeed } from "./lib/live.js";
import { Output } from "./lib/output.js";
import { keepTimes, refresh } from "./lib/times.js";

const PARTS = ["task-status", "task-actions", "task-notice", "task-empty", "task-history", "task-facts", "task-origin", "task-artifacts", "task-timeline"];
const NOTICE_MS = 10_000;
// What keeps a task waiting changes without an event of this task.
const WAITING_MS = 4_000;

const page = document.getElementById("task");
const isLatest = "isLatest" in page.dataset;
const output = new Output();
let attempt = Number(page.dataset.attempt);
let noticeUntil = 0;

if (isLatest) PARTS.push("task-attempts");
for (const part of PARTS) remember(document.getElementById(part));
output.isStreaming = isLatest && status() === "running";
keepTimes();

function status() {
  return document.getElementById("task-status").dataset.status;
}

function apply(fragment) {
  const before = status();
  keepReason(fragment);
  for (const part of PARTS) {
    if (part !== "task-notice" || Date.now() > noticeUntil) swap(part, fragment);
  }
  refresh();
  if (status() === before) return;
  announce(`The task is now ${status()}.`);
  if (isLatest) output.isStreaming = status() === "running";
}

// The field for a reason stays as the reader left it; a fresh row of buttons replaces the one that it stands in.
function keepReason(fragment) {
  const left = reasonIn(document);
  if (!left || !reasonIn(fragment) || !(left.value || left.closest("details").open)) return;
  const isTyping = left === document.activeElement;
  const { selectionStart, selectionEnd } = left;
  queueMicrotask(() => {
    const shown = reasonIn(document);
    if (shown === left) return;
    shown.value = left.value;
    shown.closest("details").open = true;
    if (!isTyping) return;
    shown.focus({ preventScroll: true });
    shown.setSelectionRange(selectionStart, selectionEnd);
  });
}

function reasonIn(place) {
  return place.querySelector("#task-actions [name=reason]");
}

const refreshPanel = gently(async () => {
  const fragment = await fetchFragment(page.dataset.panelUrl);
  if (fragment) apply(fragment);
}, 300);

const reloadOutput = gently(async () => {
  const fragment = await fetchFragment(location.href);
  if (fragment) output.replaceBy(fragment);
}, 1_000);

function begin(number) {
  attempt = number;
  output.clear();
}

function hear(event) {
  if (event.event !== "task_output") {
    if (isLatest && event.event === "task_started" && event.attempt > attempt) begin(event.attempt);
    refreshPanel();
  } else if (isLatest && event.attempt >= attempt) {
    if (event.attempt > attempt) begin(event.attempt);
    if (!output.add(event.data.text ?? "", event.data.offset ?? 0) || event.truncated) reloadOutput();
  }
}

async function act(form) {
  const button = form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form));
  const fragment = await fetchFragment(form.action, { method: "POST", body, headers: { "X-Fragment": "1" } });
  // Without an answer that can be shown here, the browser shows whatever the server says.
  if (!fragment) return form.submit();
  button.removeAttribute("aria-busy");
  noticeUntil = 0;
  apply(fragment);
  const alert = document.querySelector("#task-notice [role=alert]");
  if (alert) noticeUntil = Date.now() + NOTICE_MS;
}

page.addEventListener("submit", (event) => {
  if (!event.target.dataset.verb) return;
  event.preventDefault();
  act(event.target);
});

setInterval(() => {
  if (status() === "ready" && document.visibilityState === "visible") refreshPanel();
}, WAITING_MS);

new LiveFeed({
  tokenUrl: page.dataset.tokenUrl,
  to: page.dataset.task,
  after: Number(page.dataset.lastEventId),
  onEvent: hear,
  onGap() {
    refreshPanel();
    if (isLatest) reloadOutput();
  },
}).start();
