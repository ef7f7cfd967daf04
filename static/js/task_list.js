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
});
keepTimes();

function counts() {
  const lanes = [...document.querySelectorAll(".lane")].filter((lane) => lane.querySelector(".count"));
  return lanes.map((lane) => lane.textContent.trim()).join(", ");
}

new LiveFeed({
  tokenUrl: list.dataset.tokenUrl,
  to: "all",
  after: Number(list.dataset.lastEventId),
  onEvent(event) {
    if (event.event !== "task_output") rows.touch(event.task);
  },
  onGap: () => rows.touchAll(),
}).start();
