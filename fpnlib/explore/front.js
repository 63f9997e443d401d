// An explorer on a page: controls, a picture whose parts can be grabbed, and words. It asks a source for pictures and
// knows nothing of where they come from: a kernel here, a store of files on pages without one.

const STORE_BYTES = 40 * 2 ** 20; // of pictures that are kept
const NEIGHBOURS = 6; // steps of the control in hand that are asked for ahead, to either side
const SLOW = 250; // milliseconds; pictures that take longer are not asked for ahead
const QUICK = 25; // milliseconds; what takes longer at the screen's density is first shown at density 1
const REST = 150; // milliseconds without a move
const PAUSE = 100; // milliseconds more before others are asked for, since who goes on would wait behind them
const NEAR = 16; // pixels around a handle that count as the handle
const FEW = 4; // controls that are always shown

/** The kernel as a source of pictures. Every question gets one answer. */
function kernel(model) {
  const waiting = new Map();
  let last = 0;
  let pushed = () => {};
  function heard(message, buffers) {
    if (buffers?.length) message.address = `data:image/${message.format};base64,${base64(buffers[0])}`;
    const answer = waiting.get(message.id);
    waiting.delete(message.id);
    (answer ?? pushed)(message);
  }
  model.on("msg:custom", heard);
  return {
    ask(state, options) {
      const id = ++last;
      return new Promise((answer) => {
        waiting.set(id, answer);
        model.send({ id, state, ...options });
      });
    },
    onPush(listener) { pushed = listener; },
    close() { model.off("msg:custom", heard); },
  };
}

/** Bytes as text; an address that holds its picture is there at once, where a Blob's is asked of another process. */
function base64({ buffer, byteOffset, byteLength }) {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let text = "";
  for (let at = 0; at < byteLength; at += 2 ** 15) text += String.fromCharCode(...bytes.subarray(at, at + 2 ** 15));
  return btoa(text);
}

/** Pictures by state, those shown last within a number of bytes. */
class Store {
  constructor() { this.answers = new Map(); this.bytes = 0; }
  get(key) {
    const answer = this.answers.get(key);
    if (answer) { this.answers.delete(key); this.answers.set(key, answer); }
    return answer;
  }
  has(key) { return this.answers.has(key); }
  set(key, answer) {
    this.drop(key);
    this.answers.set(key, answer);
    this.bytes += answer.address.length;
    while (this.bytes > STORE_BYTES && this.answers.size > 1) this.drop(this.answers.keys().next().value);
  }
  drop(key) {
    const answer = this.answers.get(key);
    if (!answer) return;
    this.bytes -= answer.address.length;
    this.answers.delete(key);
  }
  clear() { this.answers.clear(); this.bytes = 0; }
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const written = (control, value) => control.decimals === undefined ? String(value) : value.toFixed(control.decimals);

/** The slider's value nearest to a number; where not every step can be had, the nearest that can. */
function snapped(control, value) {
  if (control.values) return nearest(control.values.map((one) => [one, one, null]), value, null);
  const steps = Math.round((value - control.min) / control.step);
  const inside = Math.min(control.max, Math.max(control.min, control.min + steps * control.step));
  return Number(inside.toFixed(10));
}

/** The slider's value so many steps further. */
function stepped(control, value, steps) {
  const { values } = control;
  if (!values) return snapped(control, value + steps * control.step);
  return values[Math.min(values.length - 1, Math.max(0, values.indexOf(value) + steps))];
}

/** A state from Python with the sliders' own numbers: 1.1 where a sum of steps gave 1.0999999999999996. */
function tidied(controls, state) {
  const tidy = { ...state };
  for (const [name, control] of Object.entries(controls)) {
    if (control.kind !== "slider") continue;
    const near = snapped(control, state[name]);
    if (Math.abs(near - state[name]) < 1e-9) tidy[name] = near;
  }
  return tidy;
}

/** A labelled native input; `moved` hears each new value. */
function makeControl(control, moved) {
  const label = element("label", { class: `fpnlib-control fpnlib-${control.kind}` });
  const name = element("span", { class: "fpnlib-label" }, control.label);
  if (control.kind === "toggle") {
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => moved(box.checked));
    label.append(box, name);
    return { label, input: box, put(value) { box.checked = value; } };
  }
  if (control.kind === "choice") {
    const list = element("select");
    for (const option of control.options) list.append(element("option", {}, String(option)));
    list.addEventListener("change", () => moved(control.options[list.selectedIndex]));
    label.append(name, list);
    return { label, input: list, put(value) { list.selectedIndex = control.options.indexOf(value); } };
  }
  const { values } = control; // not all steps: the slider counts those there are
  const { min, max, step } = values ? { min: 0, max: values.length - 1, step: 1 } : control;
  const track = element("input", { type: "range", min, max, step });
  const readout = element("span", { class: "fpnlib-value", "aria-hidden": "true" });
  track.addEventListener("input", () => {
    const place = Number(track.value);
    moved(values ? values[place] : snapped(control, place));
  });
  label.append(name, track, readout);
  return {
    label,
    input: track,
    put(value) {
      track.value = values ? values.indexOf(value) : value;
      readout.textContent = written(control, value);
      track.setAttribute("aria-valuetext", readout.textContent);
    },
  };
}

/** The value whose place in a table of [value, x, y] is nearest; a coordinate that is null does not count. */
function nearest(table, x, y) {
  let best = null;
  let least = Infinity;
  for (const [value, atX, atY] of table) {
    const far = Math.hypot(atX === null ? 0 : atX - x, atY === null ? 0 : atY - y);
    if (far < least) { least = far; best = value; }
  }
  return best;
}

/** Where a table puts a value: [x, y] in pixels of the picture, a coordinate that it leaves open null. */
function placed(table, value) {
  let best = table.find((row) => row[0] === value) ?? table[0]; // a choice is one of them
  for (const row of table) if (Math.abs(row[0] - value) < Math.abs(best[0] - value)) best = row;
  return best.slice(1);
}

/**
 * Put an explorer into an element: what `spec` says, from a state on, with pictures from a source. Returns what ends it.
 *
 * `source.ask(state, {kind, density, theme})` answers with words and a picture: its `address`, or `picture`, an element.
 */
function explore(el, spec, begin, source) {
  const names = Object.keys(spec.controls);
  const [width, height] = spec.size;
  const state = tidied(spec.controls, begin);
  const store = new Store();
  const keyOf = (one) => JSON.stringify(names.map((name) => one[name]));
  let inHand = names.find((name) => spec.controls[name].kind === "slider") ?? names[0];
  let direction = 1;
  let asking = false;
  let turn = 0; // of asking ahead; a move ends it
  let looking = false;
  let closed = false;
  let code = "";
  let shown = 0; // the number of the newest picture on the page
  let begun = 0;

  // What is on the page.
  const controls = {};
  const grid = element("div", { class: "fpnlib-controls" });
  const more = element("details", { class: "fpnlib-more" }, element("summary", {}, "more"));
  const rest = element("div", { class: "fpnlib-controls" });
  names.forEach((name) => {
    controls[name] = makeControl(spec.controls[name], (value) => move({ [name]: value }));
    controls[name].input.dataset.control = name;
    controls[name].input.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys
    controls[name].input.addEventListener("focus", () => { inHand = name; });
  });
  // A group stands where the first of it does, as a whole.
  const groups = names.map((name) => Object.entries(spec.groups).find(([, members]) => members.includes(name)) ?? ["", [name]]);
  let place = 0;
  names.forEach((name, number) => {
    const [title, members] = groups[number];
    if (name !== members[0]) return;
    const home = place + members.length > FEW ? rest : grid;
    place = home === rest ? FEW : place + members.length;
    const labels = members.map((one) => controls[one].label);
    if (members.length === 1) home.append(...labels);
    else home.append(element("fieldset", { class: "fpnlib-controls fpnlib-group" }, element("legend", {}, title), ...labels));
  });
  const back = element("button", { type: "button" }, "back to start");
  back.addEventListener("click", () => move(tidied(spec.controls, spec.start)));
  const copy = element("button", { type: "button" }, "copy this state as code");
  copy.addEventListener("click", async () => {
    if (navigator.clipboard) await navigator.clipboard.writeText(code);
    else { // as over plain http from another host
      const text = element("textarea", {}, code);
      el.append(text);
      text.select();
      document.execCommand("copy");
      text.remove();
    }
    copy.textContent = "copied";
    setTimeout(() => { copy.textContent = "copy this state as code"; }, 1500);
  });
  let picture = element("img", { class: "fpnlib-picture", alt: spec.alt, width, height });
  const touch = drawn("svg", { class: "fpnlib-touch", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const hint = element("div", { class: "fpnlib-hint", "aria-hidden": "true" });
  hint.hidden = true;
  const stage = element("div", { class: "fpnlib-stage" }, picture, touch, hint);
  const readout = element("div", { class: "fpnlib-readout", role: "status", "aria-live": "polite" });
  const error = element("pre", { class: "fpnlib-error", role: "alert" });
  error.hidden = true;
  el.classList.add("fpnlib-explorer");
  el.append(grid);
  if (rest.hasChildNodes()) { more.append(rest); el.append(more); }
  el.append(element("div", { class: "fpnlib-buttons" }, back, copy), stage, readout, error);

  const density = () => {
    const wide = stage.clientWidth || width;
    return Math.min(3, Math.max(1, Math.ceil(2 * window.devicePixelRatio * wide / width) / 2));
  };

  // JupyterLab says which theme it has; elsewhere the browser does.
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => {
    const light = document.body.dataset.jpThemeLight;
    const dark = light === undefined ? darkness.matches : light === "false";
    return dark ? "dark" : "light";
  };
  let drawnFor = theme();
  const repaint = () => {
    if (drawnFor === theme()) return;
    drawnFor = theme();
    store.clear();
    turn += 1;
    follow();
  };
  const painter = new MutationObserver(repaint);
  painter.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  darkness.addEventListener("change", repaint);
  const sizer = new ResizeObserver(() => { if (!asking && picture.dataset.density < density()) restSoon(); });
  sizer.observe(stage);

  /** An answer's picture, loaded; the frame that first has it waits until it is decoded. */
  async function loaded(answer) {
    if (answer.picture) return answer.picture;
    const made = element("img", { class: "fpnlib-picture", alt: spec.alt, width, height, decoding: "sync" });
    await new Promise((done) => {
      made.onload = made.onerror = done;
      made.src = answer.address;
    });
    return answer.picture ??= made;
  }

  /** Show an answer once its picture is loaded, words and picture at once; never what was asked for earlier after later. */
  async function put(answer, key, number = ++begun) {
    if (number < shown) return;
    code = answer.code ?? code;
    if (answer.error) {
      shown = number; // a picture from before that is still being loaded comes too late
      error.textContent = answer.error;
      error.hidden = false;
      return;
    }
    const next = await loaded(answer);
    if (closed || number < shown) return;
    shown = number;
    next.dataset.state = key;
    next.dataset.density = answer.density;
    next.dataset.final = answer.final && answer.density >= density();
    if (next !== picture) picture.replaceWith(next);
    picture = next;
    for (const [which, tables] of Object.entries(answer.handles ?? {})) handles[which].lie(tables);
    readout.textContent = answer.readout;
    error.textContent = "";
    error.hidden = true;
  }

  function syncControls() {
    el.dataset.state = keyOf(state); // what is wanted; the picture says what it shows
    for (const name of names) controls[name].put(state[name]);
    for (const handle of handles) handle.place();
  }

  function move(changes) {
    for (const [name, value] of Object.entries(changes)) {
      if (typeof value === "number" && value !== state[name]) direction = value > state[name] ? 1 : -1;
    }
    Object.assign(state, changes);
    turn += 1;
    hint.hidden = true;
    syncControls();
    follow();
  }

  /** Show the state that is wanted: from the store if it is known, else from the source; one question at a time. */
  let settle = null;
  let usual = 0; // milliseconds that a picture takes at this screen's density, while it moves
  let latest = 0; // milliseconds that the last picture took; the first is slow, since nothing has been drawn before
  function follow() {
    clearTimeout(settle);
    const key = keyOf(state);
    const known = store.get(key);
    if (known && known.density >= density()) {
      put(known, key);
      restSoon();
    } else if (!asking) ask("show");
  }

  // Once nothing has moved for a while the picture follows in its final quality, and the source holds the state.
  function restSoon() {
    clearTimeout(settle);
    settle = setTimeout(() => { if (!asking) ask("rest"); }, REST);
  }

  async function ask(kind) {
    const key = keyOf(state);
    const wanted = density();
    const number = ++begun; // a picture from the store may come before the answer, and must stay
    asking = true;
    el.setAttribute("aria-busy", "true");
    const paint = drawnFor;
    const quick = kind === "show" && usual > QUICK ? 1 : wanted;
    const answer = await source.ask({ ...state }, { kind, density: quick, theme: drawnFor });
    asking = false;
    if (closed) return;
    el.removeAttribute("aria-busy");
    latest = answer.milliseconds;
    if (answer.address && answer.density >= wanted && paint === drawnFor) {
      if (kind === "show") usual = answer.milliseconds;
      store.set(key, answer);
    }
    put(answer, key, number);
    if (key !== keyOf(state) || paint !== drawnFor) follow();
    else if (answer.address && (kind === "show" || answer.density < density())) restSoon();
    else if (looking) ahead();
  }

  /** States near the present one, those that the reader is likely to want next first. */
  function neighbours() {
    const found = [];
    const control = spec.controls[inHand];
    if (control.kind === "slider") {
      for (let far = 1; far <= NEIGHBOURS; far += 1) {
        for (const way of [direction, -direction]) {
          found.push({ ...state, [inHand]: stepped(control, state[inHand], way * far) });
        }
      }
    }
    for (const name of names) {
      const one = spec.controls[name];
      if (one.kind === "slider") {
        for (const way of [1, -1]) found.push({ ...state, [name]: stepped(one, state[name], way) });
      } else if (one.kind === "toggle") found.push({ ...state, [name]: !state[name] });
      else for (const option of one.options) found.push({ ...state, [name]: option });
    }
    return found;
  }

  async function ahead() {
    if (!spec.ahead || latest > SLOW) return;
    const mine = ++turn;
    const sharpness = density();
    await new Promise((done) => { setTimeout(done, PAUSE); });
    for (const next of neighbours()) {
      if (mine !== turn || closed || asking || document.hidden) return;
      const key = keyOf(next);
      if (store.has(key)) continue;
      const paint = drawnFor;
      const answer = await source.ask(next, { kind: "ahead", density: sharpness, theme: paint });
      if (!answer.address || paint !== drawnFor) continue;
      usual = answer.milliseconds;
      if (store.has(key)) continue; // it has come to rest since
      store.set(key, answer);
      await (await loaded(answer)).decode().catch(() => {}); // so it is there in the very next frame
    }
  }

  // What can be grabbed.
  const scaled = (table) => table.map(([value, x, y]) => [value, x === null ? null : x * width, y === null ? null : y * height]);
  const handles = spec.handles.map((one) => {
    let tables;
    const [left, top, right, bottom] = [one.region[0] * width, one.region[1] * height, one.region[2] * width, one.region[3] * height];
    const lie = (given) => { tables = Object.entries(given).map(([name, table]) => [name, scaled(table)]); };
    lie(one.tables);
    const at = () => {
      const place = [null, null];
      for (const [name, table] of tables) {
        const [x, y] = placed(table, state[name]);
        if (x !== null) place[0] = x;
        if (y !== null) place[1] = y;
      }
      return place;
    };
    const region = drawn("rect", { class: "fpnlib-region", x: left, y: top, width: right - left, height: bottom - top });
    const grip = drawn("g", { class: "fpnlib-grip" });
    const title = drawn("title", {});
    grip.append(title);
    let shape;
    function place() {
      const [x, y] = at();
      const kind = x === null ? "row" : y === null ? "column" : "point";
      shape?.remove();
      shape = kind === "point" ? drawn("circle", { cx: x, cy: y, r: NEAR })
        : kind === "column" ? drawn("rect", { x: x - NEAR / 2, y: top, width: NEAR, height: bottom - top, rx: 4 })
        : drawn("rect", { x: left, y: y - NEAR / 2, width: right - left, height: NEAR, rx: 4 });
      grip.append(shape);
      grip.dataset.kind = kind;
      title.textContent = tables.map(([name]) => `${spec.controls[name].label}: ${written(spec.controls[name], state[name])}`).join(", ");
    }
    function follows(event) {
      const box = touch.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * width;
      const y = (event.clientY - box.top) / box.height * height;
      const changes = {};
      for (const [name, table] of tables) changes[name] = nearest(table, x, y);
      if (Object.keys(changes).some((name) => changes[name] !== state[name])) move(changes);
    }
    for (const part of [region, grip]) {
      part.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        if (part === region && event.pointerType === "touch") return; // a finger beside the handle scrolls the page
        event.preventDefault();
        inHand = tables[0][0];
        controls[inHand].input.focus({ preventScroll: true });
        part.setPointerCapture(event.pointerId);
        grip.classList.add("held");
        follows(event);
      });
      part.addEventListener("pointermove", (event) => { if (grip.classList.contains("held")) follows(event); });
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
        part.addEventListener(end, () => grip.classList.remove("held"));
      }
    }
    region.addEventListener("click", follows); // a tap
    return { region, grip, place, lie(given) { lie(given); place(); } };
  });
  touch.append(...handles.map((handle) => handle.region), ...handles.map((handle) => handle.grip));

  // What lies under the pointer says its numbers; the source knows them, since it has the data.
  let pointed = null; // where the pointer is, as shares of the picture
  let pointing = false;
  async function say() {
    if (pointing) return;
    pointing = true;
    while (pointed && !closed) {
      const here = pointed;
      const key = keyOf(state);
      const found = await source.ask({ ...state }, { kind: "hover", ...here });
      if (here !== pointed) continue;
      if (found.error) put(found, key);
      hint.hidden = !found.words || key !== keyOf(state);
      if (!hint.hidden) {
        hint.textContent = found.words;
        hint.style.left = `${100 * found.x}%`;
        hint.style.top = `${100 * found.y}%`;
        hint.dataset.side = found.x > 0.6 ? "left" : "right";
      }
      break;
    }
    pointing = false;
  }
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || event.buttons || asking) return;
    const box = stage.getBoundingClientRect();
    pointed = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    say();
  });
  stage.addEventListener("pointerleave", () => { pointed = null; hint.hidden = true; });

  source.onPush((message) => {
    if (message.kind === "says") { readout.textContent = message.readout; return; }
    Object.assign(state, tidied(spec.controls, message.state));
    turn += 1;
    syncControls();
    if (message.address) put(message, keyOf(state));
    if (message.address && message.density < density() && !asking) ask("rest");
  });
  for (const event of ["pointerenter", "focusin"]) {
    el.addEventListener(event, () => { if (!looking) { looking = true; if (!asking) ahead(); } });
  }
  el.addEventListener("pointerleave", () => { looking = el.contains(document.activeElement); });

  syncControls();
  ask("rest");
  return () => {
    closed = true;
    clearTimeout(settle);
    painter.disconnect();
    darkness.removeEventListener("change", repaint);
    sizer.disconnect();
    source.close();
    store.clear();
  };
}

function render({ model, el }) {
  return explore(el, model.get("spec"), model.get("state"), kernel(model));
}

export { Store, explore };
export default { render };
