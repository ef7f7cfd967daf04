// Times as the reader's clock shows them. The server writes UTC, which stays in the title.

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const today = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const full = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const second = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const ownZone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

export function keepTimes() {
  refresh();
  setInterval(refresh, 1_000);
}

export function refresh() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time:not([data-fixed])")) {
    write(time, wordsOf(time.dataset)(Date.parse(time.dateTime), now), exact(time));
  }
  for (const span of document.querySelectorAll("[data-zone-name]")) write(span, `(${ownZone})`);
  for (const span of document.querySelectorAll("[data-since]")) write(span, lasting(now - Date.parse(span.dataset.since)));
}

function wordsOf(data) {
  if ("exact" in data) return inFull;
  return "clock" in data ? clock : wordsFor;
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

// The time of day itself: to the second when it is near, and what is still to come never earlier than it is.
function clock(at, now) {
  if (Math.abs(at - now) < 90_000) return second.format(Math.ceil(at / 1_000) * 1_000);
  const minute = at > now ? Math.ceil(at / 60_000) * 60_000 : at;
  return new Date(minute).toDateString() === new Date(now).toDateString() ? today.format(minute) : absolute.format(minute);
}

// The same words as in realtime/templatetags/schedules.py.
function inFull(at) {
  const parts = Object.fromEntries(full.formatToParts(at).map(({ type, value }) => [type, value]));
  const time = `${parts.hour}:${parts.minute}${parts.second === "00" ? "" : `:${parts.second}`}`;
  return `${parts.weekday} ${parts.day} ${parts.month} ${parts.year}, ${time}`;
}

// The same words as in realtime/words.py, but for the tenths.
export function lasting(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
