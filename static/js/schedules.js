// The list of schedules, or one of them: what is shown follows what happens.

import { announce } from "./lib/announce.js";
import { fetchFragment, gently, remember, swap } from "./lib/fragments.js";
import { LiveFeed } from "./lib/live.js";
import { keepTimes, refresh } from "./lib/times.js";

const page = document.getElementById("live");
const parts = page.dataset.parts.split(" ").filter((part) => document.getElementById(part));
for (const part of parts) remember(document.getElementById(part));
keepTimes();

const refreshParts = gently(async () => {
  const fragment = await fetchFragment(page.dataset.panelUrl);
  if (!fragment) return;
  const changed = parts.filter((part) => swap(part, fragment));
  refresh();
  if (changed.length) announce("The times have changed.");
}, 500);

// Of one schedule's page, what happens to its tasks matters as well.
function isShown(event) {
  if (event.schedule) return !page.dataset.schedule || event.schedule === page.dataset.schedule;
  return event.event !== "task_output" && document.querySelector(`[data-task="${event.task}"]`) !== null;
}

new LiveFeed({
  tokenUrl: page.dataset.tokenUrl,
  to: "all",
  after: Number(page.dataset.lastEventId),
  onEvent(event) {
    if (isShown(event)) refreshParts();
  },
  onGap: refreshParts,
}).start();
