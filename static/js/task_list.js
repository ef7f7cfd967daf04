// The list of tasks: rows change, come and go with what happens.

import { announce } from "./lib/announce.js";
import { LiveFeed } from "./lib/live.js";
import { Rows } from "./lib/rows.js";
import { keepTimes } from "./lib/times.js";

const list = document.getElementById("task-list");
const rows = new Rows({
  url: list.dataset.rowsUrl,
  size: Number(list.dataset.pageSize),
  takesNew: "firstPage" in list.dataset,
  onCounts: () => announce(counts()),
  onCut: beginNextPageAfter,
});
keepTimes();

// Rows that made room for new ones are found on the next page.
function beginNextPageAfter(task) {
  const older = document.getElementById("older");
  const address = new URL(older.href);
  address.searchParams.set("before", task);
  older.href = address;
  older.hidden = older.parentElement.hidden = false;
}

function counts() {
  const lanes = [...document.querySelectorAll(".lane")].filter((lane) => lane.querySelector(".count"));
  return lanes.map((lane) => lane.textContent.trim()).join(", ");
}

new LiveFeed({
  tokenUrl: list.dataset.tokenUrl,
  to: "all",
  after: Number(list.dataset.lastEventId),
  onEvent(event) {
    // Events of schedules have no task.
    if (event.event !== "task_output" && event.task) rows.touch(event.task);
  },
  onGap: () => rows.touchAll(),
}).start();
