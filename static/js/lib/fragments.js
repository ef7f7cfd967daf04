// Parts of pages that the server renders anew: fetching them and putting them in place.

// The document of a fragment, or null when it cannot be had now; the next event asks again.
export async function fetchFragment(url, options = {}) {
  try {
    const response = await fetch(url, { ...options, headers: { Accept: "text/html", ...options.headers } });
    if (response.redirected || !(response.ok || response.status === 409)) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

// Put the fragment's element of this id in the place of the page's; says whether anything changed.
export function swap(id, fragment) {
  const old = document.getElementById(id);
  const fresh = fragment.getElementById(id);
  if (!old || !fresh || isSame(old, fresh)) return false;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const adopted = document.adoptNode(fresh);
  remember(adopted);
  old.replaceWith(adopted);
  if (focused) refocus(focused, adopted);
  return true;
}

// What the server sent for an element, from before scripts turned its times into the reader's own.
const originals = new WeakMap();

export function remember(element) {
  originals.set(element, element.outerHTML);
}

function isSame(old, fresh) {
  // Each answer masks the CSRF token anew, which is no change.
  return withoutToken(originals.get(old)) === withoutToken(fresh.outerHTML);
}

function withoutToken(html) {
  return html?.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");
}

function refocus(focused, place) {
  const sameForm = focused.form?.dataset.verb && place.querySelector(`[data-verb="${focused.form.dataset.verb}"] button`);
  const sameLink = focused.href && [...place.querySelectorAll("a")].find((link) => link.href === focused.href);
  const target = sameForm || sameLink || document.getElementById("main");
  target.focus({ preventScroll: true });
}

// One call at a time, and one more when something happened meanwhile; at least `pause` ms between two.
export function gently(work, pause) {
  let isBusy = false;
  let isWanted = false;
  async function run() {
    isBusy = true;
    while (isWanted) {
      isWanted = false;
      await work();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    isBusy = false;
  }
  return () => {
    isWanted = true;
    if (!isBusy) run();
  };
}
