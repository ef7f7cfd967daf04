// Queueing a prompt: how much of it there is, the time in the reader's own zone, and Ctrl+Enter.

const form = document.getElementById("task-form");
const prompt = form.elements.prompt;
const notBefore = form.elements.not_before_at;
const count = document.getElementById("prompt-count");
const localTime = document.getElementById("local-time");
const most = Number(count.dataset.most);
const numbers = new Intl.NumberFormat("en");
const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function showCount() {
  const length = Array.from(prompt.value).length;
  count.textContent = `${numbers.format(length)} of ${numbers.format(most)} characters`;
  count.classList.toggle("too-much", length > most);
}

function showLocalTime() {
  const at = notBefore.value ? Date.parse(`${notBefore.value}Z`) : NaN;
  localTime.textContent = Number.isNaN(at) ? "" : `That is ${moments.format(at)} where you are.`;
}

prompt.addEventListener("input", showCount);
notBefore.addEventListener("input", showLocalTime);
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// A second click on a slow day must not queue the prompt twice; who comes back to the page may send again.
let isSent = false;
form.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});
addEventListener("pageshow", () => {
  isSent = false;
});

showCount();
showLocalTime();
