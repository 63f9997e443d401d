// Draws the parts of a picture as `packs.py` writes them, at any scale: paths, marks, words as outlines, and images.

const KEPT = 4000; // parts whose paths are kept for the next picture
const DPI = 100;
const CAPS = { butt: "butt", projecting: "square", round: "round" };

/** Add steps to a path: their ways, taken through a matrix; where `snap` is a number, to whole pixels and so much more. */
function trace(path, steps, ways, [a, b, c, d, e, f], snap = null) {
  const points = new Array(ways.length);
  for (let at = 0, x = 0, y = 0; at < ways.length; at += 2) {
    x += ways[at];
    y += ways[at + 1];
    const [u, v] = [a * x + c * y + e, b * x + d * y + f];
    points[at] = snap === null ? u : Math.floor(u + 0.5) + snap;
    points[at + 1] = snap === null ? v : Math.floor(v + 0.5) + snap;
  }
  let at = 0;
  const next = () => points[at++];
  for (const step of steps) {
    if (step === "M") path.moveTo(next(), next());
    else if (step === "L") path.lineTo(next(), next());
    else if (step === "Q") path.quadraticCurveTo(next(), next(), next(), next());
    else if (step === "C") path.bezierCurveTo(next(), next(), next(), next(), next(), next());
    else path.closePath();
  }
  return path;
}

/** The places of marks, which Matplotlib puts on whole pixels. */
function whole(ways, scale) {
  const places = [];
  for (let at = 0, x = 0, y = 0; at < ways.length; at += 2) {
    x += ways[at];
    y += ways[at + 1];
    places.push([Math.floor(x * scale + 0.5), Math.floor(y * scale + 0.5)]);
  }
  return places;
}

/** What an index says of its parts, ready to draw them at one scale after another. */
class Painter {
  constructor({ colours, looks, letters, units: [unit, letterUnit] }) {
    this.colours = colours;
    this.letters = letters;
    this.unit = unit;
    this.letterUnit = letterUnit;
    this.looks = looks.map(([fill, stroke, width, cap, join, dashes, offset, snap, frame, clip]) => {
      return { fill, stroke, width, cap: CAPS[cap], join, dashes, offset, snap, frame, clip, where: JSON.stringify([frame, clip]) };
    });
    this.made = new Map(); // steps of parts, by part
    this.scale = 0;
  }

  /** Draw parts, lists of steps, with `images` by number, in pixels so many times as large as the picture's own. */
  draw(context, parts, images, theme, scale) {
    if (scale !== this.scale || this.made.size > KEPT) this.made.clear();
    this.scale = scale;
    context.miterLimit = 4;
    context.save();
    let where;
    for (const part of parts) {
      if (!this.made.has(part)) this.made.set(part, part.map((step) => this.ready(step)));
      for (const step of this.made.get(part)) {
        for (const one of step.themes ? step.themes[theme] : [step]) {
          if (one.look.where !== where) {
            context.restore();
            context.save();
            where = one.look.where;
            this.clip(context, one.look);
          }
          this.step(context, one, images, theme);
        }
      }
    }
    context.restore();
  }

  /** A step with its path in pixels. */
  ready([kind, number, ...rest]) {
    if (kind === "e") {
      const [light, dark] = [number, rest[0]].map((steps) => steps.map((step) => this.ready(step)));
      return { themes: { light, dark } };
    }
    const look = this.looks[number];
    const scale = this.scale / this.unit;
    const plain = [scale, 0, 0, scale, 0, 0];
    const snap = look.snap ? (Math.round(look.width * this.scale) % 2) / 2 : null;
    if (kind === "p") return { look, path: trace(new Path2D(), ...rest, plain, snap) };
    if (kind === "m") {
      const [steps, ways, places] = rest;
      return { look, path: trace(new Path2D(), steps, ways, plain, snap), places: whole(places, scale) };
    }
    if (kind === "i") {
      const [x0, y0, x1, y1, smooth, light, dark = light] = rest;
      return { look, box: [x0, y0, x1 - x0, y1 - y0].map((one) => one * scale), smooth, image: { light, dark } };
    }
    return { look, path: this.words(look, scale, ...rest) };
  }

  /** Letters from a place on; level lines stand on whole pixels, which keeps them sharp. */
  words(look, scale, x, y, angle, size, letters, along) {
    const large = size * DPI / 72 * this.scale / 100 / this.letterUnit;
    const turn = -angle * Math.PI / 180;
    const [cos, sin] = [Math.cos(turn) * large, Math.sin(turn) * large];
    const upright = look.snap && Math.abs(cos) < Math.abs(sin);
    const [left, base] = [upright ? Math.round(x * scale) : x * scale, look.snap && !upright ? Math.round(y * scale) : y * scale];
    const path = new Path2D();
    letters.forEach((letter, place) => {
      const [steps, ways] = this.letters[letter];
      trace(path, steps, ways, [cos, sin, -sin, cos, left + along[place] * cos, base + along[place] * sin]);
    });
    return path;
  }

  clip(context, { frame, clip }) {
    const scale = this.scale / this.unit;
    if (frame.length) {
      const [x0, y0, x1, y1] = frame.map((one) => Math.floor(one * scale + 0.5));
      context.beginPath();
      context.rect(x0, y0, x1 - x0, y1 - y0);
      context.clip();
    }
    if (clip) context.clip(trace(new Path2D(), clip[0], clip.slice(1), [scale, 0, 0, scale, 0, 0]));
  }

  step(context, { look, path, places, box, smooth, image }, images, theme) {
    if (image) {
      context.imageSmoothingEnabled = Boolean(smooth);
      context.drawImage(images.get(image[theme]), ...box);
      return;
    }
    const colour = (number) => this.colours[number][theme === "dark" ? 1 : 0];
    if (look.fill >= 0) context.fillStyle = colour(look.fill);
    if (look.stroke >= 0) {
      context.strokeStyle = colour(look.stroke);
      context.lineWidth = look.width * this.scale;
      context.lineCap = look.cap;
      context.lineJoin = look.join;
      context.setLineDash(look.dashes.map((length) => length * this.scale));
      context.lineDashOffset = look.offset * this.scale;
    }
    for (const [x, y] of places ?? [[0, 0]]) {
      if (places) context.setTransform(1, 0, 0, 1, x, y);
      if (look.fill >= 0) context.fill(path);
      if (look.stroke >= 0) context.stroke(path);
    }
    if (places) context.resetTransform();
  }
}

/** The numbers of the images that parts show in a theme. */
function* imagesOf(parts, theme) {
  for (const part of parts) {
    for (const [kind, ...rest] of part) {
      if (kind === "e") yield* imagesOf([rest[theme === "dark" ? 1 : 0]], theme);
      else if (kind === "i") yield theme === "dark" ? rest[7] ?? rest[6] : rest[6];
    }
  }
}

export { Painter, imagesOf };
