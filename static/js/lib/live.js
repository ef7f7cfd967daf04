// The socket of a page: signs in, listens, comes back after every interruption and misses nothing.
//
// The token lives in this module's memory only. What a page has been told of is the highest event id; every
// new connection asks for what came after it.

const RENEW_BEFORE_END_MS = 60_000;
const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const SILENCE_MS = 45_000;
const STEADY_MS = 10_000;
const ENDED_FOR_GOOD = new Set([4403, 4404]);
const WORDS = {
  connecting: "connecting…",
  live: "live",
  reconnecting: "reconnecting…",
  ended: "signed out",
  refused: "not live: reload to see changes",
};

export class LiveFeed {
  #tokenUrl;
  #to;
  #after;
  #onEvent;
  #onGap;
  #socket = null;
  #failures = 0;
  #liveSince = Infinity;
  #retryTimer = 0;
  #renewTimer = 0;
  #silenceTimer = 0;
  #isOver = false;

  // `onEvent` gets each event once and in order; `onGap` is called when the page has to load its state anew.
  constructor({ tokenUrl, to, after, onEvent, onGap }) {
    this.#tokenUrl = tokenUrl;
    this.#to = to;
    this.#after = after;
    this.#onEvent = onEvent;
    this.#onGap = onGap;
  }

  start() {
    show("connecting");
    this.#connect();
    addEventListener("online", () => this.#retryAtOnce());
    addEventListener("pageshow", (event) => event.persisted && this.#retryAtOnce());
    // One that is still connecting goes with its page; closing it by hand would be logged as a failure.
    addEventListener("pagehide", () => this.#isOpen && this.#socket.close(1000));
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#retryAtOnce());
  }

  async #connect() {
    let token;
    try {
      token = await fetchToken(this.#tokenUrl);
    } catch (error) {
      if (error instanceof SignedOut) return this.#end("ended");
      return this.#retryLater();
    }
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/`);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#send({ action: "auth", token }));
    socket.addEventListener("message", (message) => this.#read(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#closed(event.code));
  }

  #read(message) {
    this.#expectSomething();
    if (message.event === "authenticated") return this.#authenticated(message);
    if (message.event === "error") return this.#refused(message);
    if (typeof message.id !== "number" || message.id <= this.#after) return;
    this.#after = message.id;
    this.#onEvent(message);
  }

  #authenticated(message) {
    const isFirst = !this.#renewTimer;
    this.#renewAt(Date.parse(message.expires_at));
    if (!isFirst) return;
    this.#liveSince = Date.now();
    this.#send({ action: "subscribe", to: this.#to, after: this.#after });
    show("live");
  }

  #refused(message) {
    if (message.error_code === "unknown_position") {
      // The history was set back, as after restoring a backup: begin where it is now.
      this.#after = 0;
      this.#send({ action: "subscribe", to: this.#to });
      this.#onGap();
    } else if (message.to) {
      this.#end("refused");
    }
  }

  #renewAt(end) {
    clearTimeout(this.#renewTimer);
    const left = end - Date.now();
    this.#renewTimer = setTimeout(() => this.#renew(), Math.max(left - RENEW_BEFORE_END_MS, left / 2, 1_000));
  }

  async #renew() {
    try {
      this.#send({ action: "auth", token: await fetchToken(this.#tokenUrl) });
    } catch (error) {
      if (error instanceof SignedOut) this.#end("ended");
      else this.#socket?.close(1000);
    }
  }

  // A connection that died without a word is noticed by its silence.
  #expectSomething() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#send({ action: "ping" });
      this.#silenceTimer = setTimeout(() => this.#drop(), 10_000);
    }, SILENCE_MS);
  }

  #drop() {
    const socket = this.#socket;
    this.#closed(1006);
    socket?.close();
  }

  #send(message) {
    if (this.#isOpen) this.#socket.send(JSON.stringify(message));
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #closed(code) {
    this.#forgetConnection();
    if (this.#isOver) return;
    if (ENDED_FOR_GOOD.has(code)) return this.#end("refused");
    this.#retryLater();
  }

  #forgetConnection() {
    if (Date.now() - this.#liveSince > STEADY_MS) this.#failures = 0;
    this.#liveSince = Infinity;
    this.#socket = null;
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#silenceTimer);
    this.#renewTimer = 0;
  }

  #retryLater() {
    show("reconnecting");
    this.#failures += 1;
    const longest = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** this.#failures);
    clearTimeout(this.#retryTimer);
    // The random part keeps a thousand pages from coming back at the same moment.
    this.#retryTimer = setTimeout(() => this.#connectAgain(), longest * (0.5 + Math.random() / 2));
  }

  #retryAtOnce() {
    if (this.#retryTimer && !this.#socket) this.#connectAgain();
  }

  #connectAgain() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    if (!this.#isOver) this.#connect();
  }

  #end(state) {
    this.#isOver = true;
    clearTimeout(this.#retryTimer);
    this.#socket?.close(1000);
    show(state);
  }
}

class SignedOut extends Error {}

async function fetchToken(url) {
  const body = new URLSearchParams({ csrfmiddlewaretoken: csrfToken() });
  const response = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
  if (response.status === 401 || response.status === 403) throw new SignedOut();
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return (await response.json()).token;
}

function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]").value;
}

function show(state) {
  const place = document.getElementById("connection");
  if (!place || place.dataset.state === state) return;
  place.dataset.state = state;
  place.hidden = false;
  const words = place.querySelector("[data-words]");
  words.textContent = WORDS[state];
  if (state === "ended") words.replaceChildren(linkToSignIn());
}

function linkToSignIn() {
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "signed out: sign in again";
  return link;
}
