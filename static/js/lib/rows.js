// Rows of tasks that change while they are looked at.

import { fetchFragment, gently, remember, swap } from "./fragments.js";
import { refresh } from "./times.js";

const MOST_AT_ONCE = 50;
const RETRY_MS = 5_000;

export class Rows {
  #table = document.getElementById("tasks");
  #nothing = document.getElementById("nothing");
  #url;
  #size;
  #takesNew;
  #onCounts;
  #onCut;
  #touched = new Set();
  #fetchSoon = gently(() => this.#fetch(), 400);

  // `takesNew` says whether rows that are not shown yet belong here; `onCounts` hears of new counts, `onCut` of
  // the last row when those below it had to make room.
  constructor({ url, size, takesNew, onCounts, onCut }) {
    this.#url = url;
    this.#size = size;
    this.#takesNew = takesNew;
    this.#onCounts = onCounts;
    this.#onCut = onCut;
    for (const row of this.#body.rows) remember(row);
    const lanes = document.getElementById("lanes");
    if (lanes) remember(lanes);
  }

  touch(task) {
    this.#touched.add(task);
    this.#fetchSoon();
  }

  touchAll() {
    for (const row of this.#body.rows) this.#touched.add(row.dataset.task);
    this.#fetchSoon();
  }

  get #body() {
    return this.#table.tBodies[0];
  }

  async #fetch() {
    const ids = this.#takeTouched();
    if (!ids.length) return;
    const fragment = await fetchFragment(`${this.#url}${this.#url.endsWith("?") ? "" : "&"}ids=${ids.join(",")}`);
    if (!fragment) {
      for (const id of ids) this.#touched.add(id);
      setTimeout(this.#fetchSoon, RETRY_MS);
      return;
    }
    for (const id of ids) this.#place(id, fragment.getElementById(`task-${id}`));
    this.#trim();
    if (swap("lanes", fragment)) this.#onCounts?.(fragment);
    refresh();
    if (this.#touched.size) this.#fetchSoon();
  }

  // The latest ones; in a flood those that are neither shown nor among the newest can never be seen here.
  #takeTouched() {
    const all = [...this.#touched];
    const isFlood = all.length > 4 * MOST_AT_ONCE;
    const wanted = isFlood ? all.filter((id, index) => index >= all.length - MOST_AT_ONCE || this.#isShown(id)) : all;
    const ids = wanted.slice(-MOST_AT_ONCE);
    this.#touched = new Set(wanted.slice(0, -MOST_AT_ONCE));
    return ids;
  }

  #isShown(id) {
    return document.getElementById(`task-${id}`) !== null;
  }

  #place(id, fresh) {
    const old = document.getElementById(`task-${id}`);
    if (!fresh) return this.#remove(old);
    if (old) return swap(old.id, fresh.ownerDocument);
    if (this.#takesNew) this.#insert(document.adoptNode(fresh));
  }

  #insert(row) {
    remember(row);
    row.classList.add("is-new");
    const created = Number(row.dataset.created);
    const next = [...this.#body.rows].find((other) => Number(other.dataset.created) < created);
    this.#body.insertBefore(row, next ?? null);
  }

  #remove(row) {
    // Whoever is just using a row keeps it.
    if (row && !row.contains(document.activeElement)) row.remove();
  }

  #trim() {
    const rows = this.#body.rows;
    if (rows.length > this.#size) {
      while (rows.length > this.#size) rows[rows.length - 1].remove();
      this.#onCut?.(rows[rows.length - 1].dataset.task);
    }
    this.#table.hidden = this.#body.rows.length === 0;
    this.#nothing.hidden = !this.#table.hidden;
  }
}
