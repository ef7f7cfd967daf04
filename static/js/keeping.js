// What is shown once and has to be kept: buttons that copy it, and one that prints the page. Without script, people
// mark the text themselves, so the buttons show only here.

const announcement = document.getElementById("announcement");

function textOf(element) {
  const items = [...element.querySelectorAll("li")];
  return items.length ? items.map((item) => item.textContent.trim()).join("\n") : element.textContent.trim();
}

async function copy(button, element) {
  try {
    await navigator.clipboard.writeText(textOf(element));
    tell(button, "Copied");
  } catch {
    // Refused: the text is marked, so that the keyboard can copy it.
    getSelection().selectAllChildren(element);
    tell(button, "Press Ctrl+C or ⌘C");
  }
}

function tell(button, words) {
  button.textContent = words;
  announcement.textContent = words;
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button, document.getElementById(button.dataset.copies)));
}

for (const button of document.querySelectorAll("button[data-prints]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
