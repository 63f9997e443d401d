"""Draw the pictures in images/ that the notes show in their text; `check` says which are not as the code draws them."""

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from book_map import book_map
from fpnlib.explore import all_explorers
from repository import ROOT, write_if_changed

IMAGES = ROOT / "images"
WIDTH = 480  # pixels of a thumbnail

# A note's thumbnail: one of its explorers in a telling state.
THUMBNAILS: dict[str, tuple[str, dict[str, Any]]] = {
    "01-precision-recall": ("precision_recall", {"threshold": -1.0}),
    "02-padding-pitfall": ("geometry", {"position": 0, "width": 12}),
    "03-segmentation-head": ("head_stability", {}),
    "04-fpn": ("pyramid", {"image": "astronaut", "level": 2}),
    "05-warmup": ("rate_map", {"whole": True}),
    "06-batch-norm": ("passes", {}),
    "07-add-vs-concat": ("add_is_tied_concat", {"tie": False}),
    "08-segmentation-difficulties": ("thin_or_region", {"pixels": 6}),
    "09-research": ("research_planner", {}),
}


# A picture that moves: an explorer, the control that is dragged, and from where to where.
MOVING: dict[str, tuple[str, str, float, float]] = {"moving": ("precision_recall", "threshold", -4.0, 4.0)}
_FRAMES, _FRAME = 17, 110  # one way, and milliseconds of each
_MOVING_WIDTH = 720
# A pointer's corners, in pixels from its tip.
_POINTER = np.array([(0, 0), (0, 17), (4, 13), (7, 20), (10, 18.5), (7, 12), (12, 12)])

# Pictures that a note shows in its text.
DIAGRAMS: dict[str, Callable[[], bytes]] = {"map": book_map}


def path_of(name: str) -> Path:
    """Return where a picture lies."""
    return IMAGES / f"{name}.{'webp' if name in MOVING else 'png'}"


def every_name() -> tuple[str, ...]:
    """Return the names of all pictures."""
    return (*THUMBNAILS, *DIAGRAMS, *MOVING)


def drawn(name: str) -> bytes:
    """Return a picture as the code draws it, by its name in images/."""
    if name in MOVING:
        return moving(*MOVING[name])
    return DIAGRAMS[name]() if name in DIAGRAMS else thumbnail(*THUMBNAILS[name])


def thumbnail(explorer: str, state: dict[str, Any]) -> bytes:
    """Return a small PNG of an explorer in a state."""
    frame = Image.open(io.BytesIO(all_explorers()[explorer](**state).frame()))
    small = frame.resize((WIDTH, round(frame.height * WIDTH / frame.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def moving(explorer: str, control: str, first: float, last: float) -> bytes:
    """Return an endless WebP of an explorer while a pointer drags a control's handle there and back."""
    made = all_explorers()[explorer]()
    step = made.controls()[control].step
    frames = []
    for along in (1 - np.cos(np.linspace(0, 2 * np.pi, 2 * _FRAMES, endpoint=False))) / 2:  # slower at the ends
        made.set(**{control: first + round((last - first) * along / step) * step})
        frame = Image.open(io.BytesIO(made.frame(density=2))).convert("RGB")
        size = np.array((_MOVING_WIDTH, round(frame.height * _MOVING_WIDTH / frame.width)))
        frames.append(frame.resize(tuple(size), Image.Resampling.LANCZOS))
        corners = [tuple(corner) for corner in _POINTER + _grabbed(made, control) * size]
        ImageDraw.Draw(frames[-1]).polygon(corners, fill="black", outline="white")
    stream = io.BytesIO()
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], duration=_FRAME, loop=0, quality=70)
    return stream.getvalue()


def _grabbed(explorer: Any, control: str) -> np.ndarray:
    """Return where a pointer holds a control's handle, as shares of the picture."""
    handle = next(one for one in explorer.spec()["handles"] if control in one["tables"])
    _, x, y = min(handle["tables"][control], key=lambda row: abs(row[0] - explorer.state[control]))
    left, top, right, bottom = handle["region"]
    return np.array([(left + right) / 2 if x is None else x, (top + bottom) / 2 if y is None else y])


def _frames(source: Any) -> np.ndarray:
    """Return all frames of a picture, (frames, h, w, 3)."""
    image = Image.open(source)
    found = []
    for place in range(getattr(image, "n_frames", 1)):
        image.seek(place)
        found.append(np.asarray(image.convert("RGB"), float))
    return np.stack(found)


SAME = 8  # grey values that machines may differ by


def difference(name: str) -> float:
    """Return how far a stored picture is from what the code draws: grey values, 0 to 255, the worst 16×16 pixels' mean.

    The whole picture's mean would not see a bar that moved.
    """
    if not path_of(name).exists():
        return 255.0
    stored, new = _frames(path_of(name)), _frames(io.BytesIO(drawn(name)))
    if stored.shape != new.shape:
        return 255.0
    apart = abs(stored - new).mean(-1)
    frames, height, width = apart.shape
    apart = np.pad(apart, ((0, 0), (0, -height % 16), (0, -width % 16)))
    return float(apart.reshape(frames, -(-height // 16), 16, -1, 16).mean((2, 4)).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("draw", "check"))
    if parser.parse_args().command == "draw":
        for name in every_name():
            changed = write_if_changed(path_of(name), drawn(name))
            print(f"images/{path_of(name).name} {'written' if changed else 'unchanged'}")
        return 0
    stale = [name for name in every_name() if difference(name) > SAME]
    for name in stale:
        print(f"images/{path_of(name).name} is not as the code draws it: make notebooks")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
