// A note's explorers without a kernel: pictures and words are looked up in files that were made beforehand.

import { explore } from "./front.js";

const NEAR = "600px"; // from the window: then an explorer's files are fetched
const KEPT = 24e6; // pixels of decoded rectangles, for each explorer
const LIVE = new URL("live/", import.meta.url);

const element = (name, attributes, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};

/** A file whose content must be what it was when it was made. */
async function fetched(path, integrity) {
  const answer = await fetch(new URL(path, LIVE), { integrity });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer;
}

let listed; // the manifest: read once for all explorers of a page
function manifest() {
  listed ??= fetch(new URL("manifest.json", LIVE), { cache: "no-cache" }).then((answer) => answer.json());
  listed.catch(() => { listed = undefined; });
  return listed;
}

/** The rectangles of an explorer's pictures, from its packs; a file that did not come is asked for again. */
class Parts {
  constructor(name, index) {
    Object.assign(this, { name, index, files: new Map(), images: new Map(), pixels: 0 });
  }
  file(number) {
    if (!this.files.has(number)) {
      const { name, integrity } = this.index.files[number];
      const content = fetched(`${this.name}/${name}`, integrity).then((answer) => answer.arrayBuffer());
      content.catch(() => this.files.delete(number));
      this.files.set(number, content);
    }
    return this.files.get(number);
  }
  async image(number) {
    const known = this.images.get(number);
    if (known) {
      this.images.delete(number);
      this.images.set(number, known);
      return known;
    }
    const [file, begin, length] = this.index.parts[number];
    const bytes = new Uint8Array(await this.file(file), begin, length);
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "premultiply" };
    const image = await createImageBitmap(new Blob([bytes], { type: "image/webp" }), options);
    this.images.set(number, image);
    this.pixels += image.width * image.height;
    for (const [oldest, one] of this.images) {
      if (this.pixels < KEPT || oldest === number) break;
      this.images.delete(oldest);
      this.pixels -= one.width * one.height;
    }
    return image;
  }
  /** Fetch all that a theme needs, one file after another. */
  async all(theme) {
    const used = new Set(this.index.pictures[theme].flat().map((number) => this.index.parts[number][0]));
    for (const number of used) await this.file(number).catch(() => {});
  }
}

/** Stored states as a source of pictures, which are drawn onto one canvas. */
function stored(name, index, heard) {
  const { spec, words, plates, pictures, density } = index;
  const parts = new Parts(name, index);
  const [width, height] = spec.size;
  const size = { width: width * density, height: height * density };
  const canvas = element("canvas", { className: "fpnlib-picture", role: "img", ariaLabel: spec.alt, ...size });
  const context = canvas.getContext("2d", { alpha: false });
  let drawn = []; // the rectangles over the plate
  let under;

  const controls = Object.entries(spec.controls).map(([control, one]) => [control, one.values ?? one.options ?? [false, true]]);
  function numberOf(state) {
    let [number, stride] = [0, 1];
    for (const [control, values] of controls) {
      number += stride * values.indexOf(state[control]);
      stride *= values.length;
    }
    return number;
  }
  function draw(plate, images) {
    if (under !== plate) {
      context.drawImage(plate, 0, 0);
      under = plate;
    } else for (const { left, top, image: { width: w, height: h } } of drawn) {
      context.drawImage(plate, left, top, w, h, left, top, w, h);
    }
    for (const { left, top, image } of images) context.drawImage(image, left, top);
    drawn = images;
  }
  return {
    async ask(state, { kind, density: wanted, theme }) {
      if (kind === "hover") return {}; // only a kernel has the data
      const begun = performance.now();
      const number = numberOf(state);
      try {
        const plate = parts.image(plates[theme]);
        const images = await Promise.all(pictures[theme][number].map(async (part) => {
          const [, , , left, top] = index.parts[part];
          return { left, top, image: await parts.image(part) };
        }));
        await plate;
        if (kind === "ahead") return {};
        draw(await plate, images);
      } catch (error) {
        heard(words[number].code, false);
        return { code: words[number].code, error: `This picture's file is missing or damaged (${error.message}).` };
      }
      heard(words[number].code, true);
      return { ...words[number], picture: canvas, density: wanted, final: true, milliseconds: performance.now() - begun };
    },
    onPush() {},
    close() {},
    all: parts.all.bind(parts),
  };
}

async function enliven(place) {
  const name = place.dataset.explorer;
  const saved = [...place.children];
  try {
    const index = await fetched(`${name}/index.json`, (await manifest())[name].integrity).then((answer) => answer.json());
    const el = element("div", { hidden: true });
    const call = element("code");
    const source = stored(name, index, (code, drawn) => {
      call.textContent = code;
      el.hidden = false;
      if (drawn) for (const one of saved) one.remove();
    });
    place.append(el);
    explore(el, index.spec, index.spec.start, source);
    const more = index.elsewhere.length ? `Only in JupyterLab: ${index.elsewhere.join("; ")}. ` : "";
    el.append(element("p", { className: "fpnlib-elsewhere" }, `${more}This state there: `, call));
    source.all(document.body.dataset.jpThemeLight === "false" ? "dark" : "light");
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
