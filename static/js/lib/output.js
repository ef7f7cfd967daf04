// The screen of a task's output: grows at the end, forgets its beginning, follows unless the reader scrolls up.

const MOST_CHARACTERS = 200_000;
const NEAR_THE_END_PX = 40;

export class Output {
  #screen = document.getElementById("output");
  #empty = document.getElementById("output-empty");
  #cut = document.getElementById("output-cut");
  #whole = document.getElementById("whole-output");
  #follow = document.getElementById("follow");
  #end;
  #length = 0;
  #pending = [];
  #isFollowing = true;

  constructor() {
    this.#end = Number(this.#screen.dataset.end);
    this.#length = this.#screen.textContent.length;
    this.#screen.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#follow.addEventListener("click", () => this.#goToEnd());
  }

  set isStreaming(value) {
    this.#screen.classList.toggle("is-streaming", value);
    if (value && this.#isFollowing) this.#scrollDown();
  }

  // `offset` counts the characters (code points) before the text. What is here already is not shown twice;
  // false when something before it is missing.
  add(text, offset) {
    const characters = Array.from(text);
    const known = this.#end - offset;
    if (known < 0) return false;
    if (known >= characters.length) return true;
    this.#pending.push(known ? characters.slice(known).join("") : text);
    this.#end = offset + characters.length;
    if (this.#pending.length === 1) requestAnimationFrame(() => this.#show());
    return true;
  }

  clear() {
    this.#pending = [];
    this.#screen.replaceChildren();
    this.#end = this.#length = 0;
    this.#cut.hidden = true;
    this.#whole.hidden = true;
    this.#empty.hidden = false;
    this.#goToEnd();
  }

  // What the server renders for the same screen, after something was missed.
  replaceBy(fragment) {
    const fresh = fragment.getElementById("output");
    this.clear();
    this.#end = Number(fresh.dataset.end);
    this.#cut.hidden = fragment.getElementById("output-cut").hidden;
    if (fresh.textContent) this.#append(fresh.textContent);
  }

  #show() {
    const text = this.#pending.join("");
    this.#pending = [];
    if (text) this.#append(text);
  }

  #append(text) {
    this.#screen.append(text);
    this.#length += text.length;
    this.#empty.hidden = true;
    this.#whole.hidden = false;
    this.#forgetBeginning();
    if (this.#isFollowing) this.#scrollDown();
    else this.#follow.hidden = false;
  }

  #forgetBeginning() {
    while (this.#length > MOST_CHARACTERS) {
      const first = this.#screen.firstChild;
      const surplus = Math.min(first.data.length, this.#length - MOST_CHARACTERS);
      if (surplus === first.data.length) first.remove();
      else first.deleteData(0, surplus);
      this.#length -= surplus;
      this.#cut.hidden = false;
    }
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#screen;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
    if (this.#isFollowing) this.#follow.hidden = true;
  }

  #goToEnd() {
    this.#isFollowing = true;
    this.#follow.hidden = true;
    this.#scrollDown();
  }

  #scrollDown() {
    this.#screen.scrollTop = this.#screen.scrollHeight;
  }
}
