// A note's explorers without a kernel: pictures and words are looked up in files that were made beforehand.

import { Painter, imagesOf } from "./draw.js";
import { explore } from "./front.js";

const NEAR = "600px"; // from the window: then an explorer's files are fetched
const KEPT = 24e6; // pixels of decoded images, for each explorer
const POINTED = 12; // pixels from a pointer to a point whose words it asks for
const LIVE = new URL("live/", import.meta.url);

const element = (name, attributes, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};

let listed; // the manifest: read once for all explorers of a page
function manifest() {
  listed ??= fetch(new URL("manifest.json", LIVE), { cache: "no-cache" }).then((answer) => answer.json());
  listed.catch(() => { listed = undefined; });
  return listed;
}

/** A compressed file whose content must be what it was when it was made. */
async function unpacked(name, { name: file, integrity }) {
  const answer = await fetch(new URL(`${name}/${file}`, LIVE), { integrity });
  if (!answer.ok) throw new Error(answer.statusText);
  return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).json();
}

/** What an explorer's packs hold, by kind and number; a file that did not come is asked for again. */
class Packs {
  constructor(name, index) {
    Object.assign(this, { name, index, files: new Map(), images: new Map(), pixels: 0 });
  }
  open(file) {
    if (!this.files.has(file)) {
      const content = unpacked(this.name, file);
      content.catch(() => this.files.delete(file));
      this.files.set(file, content);
    }
    return this.files.get(file);
  }
  async get(kind, number) {
    const file = this.index[kind].findLast(({ first }) => first <= number);
    return (await this.open(file))[number - file.first];
  }
  async image(number) {
    const known = this.images.get(number);
    this.images.delete(number); // the one used last stands last
    if (known) this.images.set(number, known);
    if (known) return known;
    const bytes = Uint8Array.from(atob(await this.get("images", number)), (one) => one.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/webp" }), { colorSpaceConversion: "none" });
    this.images.set(number, image);
    this.pixels += image.width * image.height;
    for (const [oldest, one] of this.images) {
      if (this.pixels < KEPT || oldest === number) break;
      this.images.delete(oldest);
      this.pixels -= one.width * one.height;
    }
    return image;
  }
  /** Fetch all, one file after another. */
  async all() {
    for (const kind of ["states", "parts", "images", "hover"]) {
      for (const file of this.index[kind]) await this.open(file).catch(() => {});
    }
  }
}

/** What the uppermost of some marks says to a pointer, both at shares of the picture. */
function said(marks, { x, y }, [width, height], near) {
  const [across, up] = [x * width, y * height];
  for (const [corners, ways, words, columns] of marks) {
    const [[left, right], [top, bottom]] = [0, 1].map((one) => [corners[one], corners[one] + corners[one + 2]].sort((a, b) => a - b));
    if (across < left || across > right || up < top || up > bottom) continue;
    let [best, least] = [null, near];
    if (columns) {
      const rows = words.length / columns;
      const [column, row] = [columns * (across - ways[0]) / ways[2], rows * (up - ways[1]) / ways[3]].map(Math.floor);
      if (column >= 0 && column < columns && row >= 0 && row < rows) return { words: words[row * columns + column], x, y };
      continue;
    }
    for (let at = 0, u = 0, v = 0; at < ways.length; at += 2) {
      u += ways[at];
      v += ways[at + 1];
      const far = Math.hypot(u - across, v - up);
      if (far <= least) [best, least] = [{ words: words[at / 2], x: u / width, y: v / height }, far];
    }
    if (best) return best;
  }
  return {};
}

/** Stored states as a source of pictures, which are drawn onto one canvas at the size that it has on the page. */
function stored(name, index, heard) {
  const { spec } = index;
  const packs = new Packs(name, index);
  const painter = new Painter(index);
  const [width, height] = spec.size;
  const canvas = element("canvas", { className: "fpnlib-picture", role: "img", ariaLabel: spec.alt, width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const under = document.createElement("canvas");
  let drawn = null; // what the canvas shows
  let below = null; // what lies under it, ready

  const controls = Object.entries(spec.controls).map(([control, one]) => [control, one.values ?? one.options ?? [false, true]]);
  function numberOf(state) {
    let [number, stride] = [0, 1];
    for (const [control, values] of controls) {
      number += stride * values.indexOf(state[control]);
      stride *= values.length;
    }
    return number;
  }
  function draw(picture) {
    const wide = Math.round((canvas.clientWidth || width) * window.devicePixelRatio);
    if (canvas.width !== wide) Object.assign(canvas, { width: wide, height: Math.round(wide * height / width) });
    const { background, parts, images, theme } = picture;
    if (under.width !== wide || below !== theme) {
      Object.assign(under, { width: wide, height: canvas.height });
      below = theme;
      painter.draw(under.getContext("2d", { alpha: false }), [background], images, theme, wide / width);
    }
    context.drawImage(under, 0, 0);
    painter.draw(context, parts, images, theme, wide / width);
    drawn = picture;
  }
  const sizer = new ResizeObserver(() => { if (drawn) draw(drawn); });
  sizer.observe(canvas);

  /** The words under a pointer; a mark with many points has none here. */
  async function pointed(state, place) {
    const { hover } = await packs.get("states", numberOf(state));
    const marks = await Promise.all(hover.map((number) => packs.get("hover", number)));
    const [unit] = index.units;
    return said(marks, place, [width * unit, height * unit], POINTED * unit);
  }

  async function ask(state, { kind, density, theme, ...place }) {
    if (kind === "hover") return pointed(state, place).catch(() => ({}));
    const begun = performance.now();
    let code = "";
    try {
      const { parts: numbers, ...words } = await packs.get("states", numberOf(state));
      code = words.code;
      const [background, ...parts] = await Promise.all([index.background, ...numbers].map((number) => packs.get("parts", number)));
      const needed = [...new Set(imagesOf([background, ...parts], theme))];
      const images = new Map(await Promise.all(needed.map(async (number) => [number, await packs.image(number)])));
      if (kind === "ahead") return {};
      draw({ background, parts, images, theme });
      heard(code, true);
      return { ...words, picture: canvas, density, final: true, milliseconds: performance.now() - begun };
    } catch (error) {
      heard(code, false);
      return { code, error: `This picture's file is missing or damaged (${error.message}).` };
    }
  }
  return { ask, onPush() {}, close() { sizer.disconnect(); }, all: () => packs.all() };
}

async function enliven(place) {
  const name = place.dataset.explorer;
  const saved = [...place.children];
  try {
    const index = await unpacked(name, (await manifest())[name]);
    const el = element("div", { hidden: true });
    const call = element("code");
    let first = true;
    const source = stored(name, index, (code, drawn) => {
      call.textContent = code;
      el.hidden = false;
      if (!drawn || !first) return;
      first = false;
      performance.mark(`fpnlib ${name}`);
      for (const one of saved) one.remove();
      source.all(); // the rest comes once there is something to see
    });
    place.append(el);
    explore(el, index.spec, index.spec.start, source);
    const more = index.elsewhere.length ? `Only in JupyterLab: ${index.elsewhere.join("; ")}. ` : "";
    el.append(element("p", { className: "fpnlib-elsewhere" }, `${more}This state in JupyterLab: `, call));
  } catch (error) {
    const words = `This explorer's files are missing or damaged (${error.message}). Above is its saved picture.`;
    place.append(element("pre", { className: "fpnlib-error", role: "alert" }, words));
  }
}

// What the theme leaves without a name or out of the keyboard's reach.
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "The book");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
for (const wide of document.querySelectorAll("pre, .table-wrapper, .cell_output")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}

// The theme that the page shows, as the explorers look for it.
const dark = matchMedia("(prefers-color-scheme: dark)");
function follow() {
  const chosen = document.body.dataset.theme;
  document.body.dataset.jpThemeLight = !(chosen === "dark" || (chosen !== "light" && dark.matches));
}
follow();
dark.addEventListener("change", follow);
new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-theme"] });

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    enliven(target);
  }
}, { rootMargin: NEAR });
for (const place of document.querySelectorAll("[data-explorer]")) near.observe(place);

navigator.serviceWorker?.register(new URL("offline.js", import.meta.url));
