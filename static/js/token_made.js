// The page that shows a new token this once: a button that copies it, where the browser lets pages do so.

const text = document.getElementById("token-text");
const button = document.getElementById("copy-token");
const announcement = document.getElementById("announcement");

async function copy() {
  try {
    await navigator.clipboard.writeText(text.textContent);
    tell("Copied");
  } catch {
    // Refused: the token is marked, so that the keyboard can copy it.
    getSelection().selectAllChildren(text);
    tell("Press Ctrl+C or ⌘C");
  }
}

function tell(words) {
  button.textContent = words;
  announcement.textContent = words;
}

button.hidden = false;
button.addEventListener("click", copy);
