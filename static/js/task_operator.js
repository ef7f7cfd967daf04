// The task operator: what it does now, what comes next and what was handed out follow what happens.

import { announce } from "./lib/announce.js";
import { fetchFragment, gently, remember, swap } from "./lib/fragments.js";
import { LiveFeed } from "./lib/live.js";
import { keepTimes, refresh } from "./lib/times.js";

const PARTS = ["operator-now", "operator-lists"];
// Tasks without an agent are nobody's, and those of another operator's agent are theirs: no event tells of them here.
const ANYWAY_MS = 15_000;
const page = document.getElementById("live");
for (const part of PARTS) remember(document.getElementById(part));
keepTimes();

const refreshParts = gently(async () => {
  const fragment = await fetchFragment(page.dataset.panelUrl);
  if (!fragment) return;
  const changed = PARTS.filter((part) => swap(part, fragment));
  refresh();
  if (changed.includes("operator-now")) announce(`Waiting: ${document.getElementById("operator-waiting").textContent}.`);
}, 1_000);

new LiveFeed({
  tokenUrl: page.dataset.tokenUrl,
  to: "all",
  after: Number(page.dataset.lastEventId),
  onEvent(event) {
    if (event.event !== "task_output" && event.task) refreshParts();
  },
  onGap: refreshParts,
}).start();

setInterval(() => document.visibilityState === "visible" && refreshParts(), ANYWAY_MS);
