// Pages that take a one-time code: the link carries it behind the "#", which no browser sends anywhere. Here it is put
// into the form and taken out of the address, so that neither history nor a picture of the screen keeps it.

const code = document.getElementById("id_code");
const username = document.getElementById("id_username");

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function take() {
  const [first, ...rest] = location.hash.slice(1).split(".");
  if (!first || !code) return;
  code.value = decoded(first);
  if (username && rest.length && !username.value) username.value = decoded(rest.join("."));
  history.replaceState(history.state, "", location.pathname + location.search);
  for (const field of document.querySelectorAll("main input:not([type=hidden], [type=checkbox])")) {
    if (!field.value) {
      field.focus();
      return;
    }
  }
}

take();
// A second link in the same page changes nothing but what stands behind the "#".
addEventListener("hashchange", take);
