// Words for screen readers, at most one sentence every few seconds.

const PAUSE_MS = 4_000;
let waiting = "";
let timer = 0;

export function announce(words) {
  waiting = words;
  if (!timer) speak();
}

function speak() {
  timer = 0;
  if (!waiting) return;
  document.getElementById("announcement").textContent = waiting;
  waiting = "";
  timer = setTimeout(speak, PAUSE_MS);
}
