// Times as the reader's clock shows them. The server writes UTC, which stays in the title.

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const today = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

export function keepTimes() {
  refresh();
  setInterval(refresh, 1_000);
}

export function refresh() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time")) write(time, wordsFor(Date.parse(time.dateTime), now), exact(time));
  for (const span of document.querySelectorAll("[data-since]")) write(span, lasting(now - Date.parse(span.dataset.since)));
}

function write(element, words, title = "") {
  if (element.textContent !== words) element.textContent = words;
  if (title && element.title !== title) element.title = title;
}

function exact(time) {
  return `${absolute.format(Date.parse(time.dateTime))} (${time.dateTime})`;
}

function wordsFor(at, now) {
  const seconds = (at - now) / 1_000;
  const distance = Math.abs(seconds);
  if (distance < 10 && seconds <= 0) return "just now";
  if (distance < 60) return relative.format(Math.round(seconds / 10) * 10, "second");
  if (distance < 3_600) return relative.format(Math.round(seconds / 60), "minute");
  if (new Date(at).toDateString() === new Date(now).toDateString()) return today.format(at);
  return absolute.format(at);
}

// The same words as in realtime/templatetags/pages.py, but for the tenths.
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
