// A small check of what every page owes its readers. Returns a list of sentences, empty when all is well.
() => {
  const wrong = [];
  const isShown = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && getComputedStyle(element).visibility !== "hidden";
  };
  const describe = (element) => element.outerHTML.slice(0, 120).replace(/\s+/g, " ");
  const all = (selector) => [...document.querySelectorAll(selector)];

  if (document.documentElement.lang !== "en") wrong.push("the page has no language");
  if (!document.title) wrong.push("the page has no title");
  if (all("h1").length !== 1) wrong.push(`the page has ${all("h1").length} h1`);
  if (all("main").length !== 1) wrong.push(`the page has ${all("main").length} main`);

  const ids = all("[id]").map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`the id ${id} is there twice`);
  for (const name of ["aria-labelledby", "aria-describedby"]) {
    for (const element of all(`[${name}]`)) {
      for (const id of element.getAttribute(name).split(/\s+/)) {
        if (!document.getElementById(id)) wrong.push(`${name} points to nothing: ${describe(element)}`);
      }
    }
  }

  for (const field of all("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.ariaLabel) wrong.push(`no label: ${describe(field)}`);
  }
  for (const element of all("a, button")) {
    const name = element.ariaLabel || element.textContent.trim();
    if (!name) wrong.push(`no name: ${describe(element)}`);
  }
  for (const image of all("img")) if (!image.hasAttribute("alt")) wrong.push(`no alt: ${describe(image)}`);
  for (const picture of all("svg")) if (picture.ariaHidden !== "true") wrong.push(`svg is read: ${describe(picture)}`);
  for (const element of all("[tabindex]")) if (element.tabIndex > 0) wrong.push(`tabindex above 0: ${describe(element)}`);
  for (const nav of all("nav")) if (!nav.ariaLabel) wrong.push(`nav without a name: ${describe(nav)}`);
  for (const cell of all("th")) if (!cell.scope) wrong.push(`th without scope: ${describe(cell)}`);

  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) wrong.push(`heading skips a level: ${describe(heading)}`);
    level = own;
  }

  for (const element of all("button, .button, select, input:not([type=hidden])")) {
    const box = element.getBoundingClientRect();
    const isSmall = box.height < 24 && element.type !== "checkbox" && !element.classList.contains("link");
    if (isShown(element) && isSmall) wrong.push(`too small to hit: ${describe(element)}`);
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide on ${root.clientWidth}`);

  // Contrast of text against the nearest painted background, by WCAG 2.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const channels = (...layers) => {
    brush.clearRect(0, 0, 1, 1);
    for (const color of layers) {
      brush.fillStyle = color;
      brush.fillRect(0, 0, 1, 1);
    }
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backgrounds = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (channels(color)[3] > 0) layers.unshift(color);
      if (channels(color)[3] === 255) return layers;
    }
    return ["Canvas", ...layers];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isShown(element) || element.closest(".visually-hidden, .skip-link, svg")) continue;
    const style = getComputedStyle(element);
    const layers = backgrounds(element);
    const [light, dark] = [luminance(channels(...layers, style.color)), luminance(channels(...layers))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)}: ${describe(element)}`);
  }
  return [...new Set(wrong)];
}
