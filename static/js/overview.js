// The overview: counts, loads and the newest tasks follow what happens.

import { announce } from "./lib/announce.js";
import { fetchFragment, gently, remember, swap } from "./lib/fragments.js";
import { LiveFeed } from "./lib/live.js";
import { Rows } from "./lib/rows.js";
import { keepTimes } from "./lib/times.js";

const PARTS = ["nav-approvals", "flow", "agents"];
const page = document.getElementById("overview");
for (const part of PARTS) remember(document.getElementById(part));
const rows = new Rows({ url: page.dataset.rowsUrl, size: Number(page.dataset.pageSize), takesNew: true });
keepTimes();

const refreshSummary = gently(async () => {
  const fragment = await fetchFragment(page.dataset.summaryUrl);
  if (!fragment) return;
  const changed = PARTS.filter((part) => swap(part, fragment));
  if (changed.includes("flow")) announce(summary());
}, 1_000);

function summary() {
  const steps = [...document.querySelectorAll(".step")];
  return steps.map((step) => `${step.querySelector(".step-name").textContent.trim()}: ${step.querySelector("strong").textContent}`).join(", ");
}

new LiveFeed({
  tokenUrl: page.dataset.tokenUrl,
  to: "all",
  after: Number(page.dataset.lastEventId),
  onEvent(event) {
    // Events of schedules have no task.
    if (event.event === "task_output" || !event.task) return;
    document.querySelector(".welcome")?.remove();
    rows.touch(event.task);
    refreshSummary();
  },
  onGap() {
    rows.touchAll();
    refreshSummary();
  },
}).start();
