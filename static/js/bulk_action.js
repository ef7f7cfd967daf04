// The progress of an action on many tasks: asks again until it has ended.

import { announce } from "./lib/announce.js";
import { fetchFragment, remember, swap } from "./lib/fragments.js";
import { keepTimes } from "./lib/times.js";

const PAUSE_MS = 1_000;
const url = document.getElementById("bulk").dataset.panelUrl;
remember(progress());
keepTimes();

function progress() {
  return document.getElementById("bulk-progress");
}

function isUnfinished() {
  return "unfinished" in progress().dataset;
}

async function follow() {
  while (isUnfinished()) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const fragment = await fetchFragment(url);
    if (fragment && swap("bulk-progress", fragment)) announce(document.getElementById("bulk-words").textContent);
  }
}

follow();
