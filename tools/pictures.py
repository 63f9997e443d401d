"""Draw the pictures in images/ that the notes show in their text; `check` says which are not as the code draws them."""

import argparse
import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from fpnlib.explore import all_explorers
from fpnlib.notes.fpn.diagram import diagram
from notebooks import ROOT, write_if_changed

IMAGES = ROOT / "images"
WIDTH = 480  # pixels of a thumbnail

# A note's thumbnail: one of its explorers in a telling state.
THUMBNAILS: dict[str, tuple[str, dict[str, Any]]] = {
    "01-precision-recall": ("precision_recall", {"threshold": -1.0}),
    "02-padding-pitfall": ("geometry", {"position": 0, "width": 12}),
    "03-segmentation-head": ("head_stability", {}),
    "04-fpn": ("pyramid", {"image": "astronaut", "level": 2}),
    "05-warmup": ("rate_map", {}),
    "06-batch-norm": ("passes", {}),
    "07-add-vs-concat": ("add_is_tied_concat", {"tie": False}),
    "08-segmentation-difficulties": ("thin_or_region", {}),
    "09-research": ("research_planner", {}),
}


# Pictures that a note shows in its text.
DIAGRAMS: dict[str, Callable[[], bytes]] = {"04-fpn-architecture": diagram}


def drawn(name: str) -> bytes:
    """Return a picture as the code draws it, by its name in images/."""
    return DIAGRAMS[name]() if name in DIAGRAMS else thumbnail(*THUMBNAILS[name])


def thumbnail(explorer: str, state: dict[str, Any]) -> bytes:
    """Return a small PNG of an explorer in a state."""
    frame = Image.open(io.BytesIO(all_explorers()[explorer](**state).frame()))
    small = frame.resize((WIDTH, round(frame.height * WIDTH / frame.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def difference(name: str) -> float:
    """Return the mean difference in grey values, 0 to 255, between a stored picture and what the code draws."""
    path = IMAGES / f"{name}.png"
    if not path.exists():
        return 255.0
    stored, new = (np.asarray(Image.open(source).convert("RGB"), float) for source in (path, io.BytesIO(drawn(name))))
    return float(abs(stored - new).mean()) if stored.shape == new.shape else 255.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("draw", "check"))
    if parser.parse_args().command == "draw":
        for name in (*THUMBNAILS, *DIAGRAMS):
            changed = write_if_changed(IMAGES / f"{name}.png", drawn(name))
            print(f"images/{name}.png {'written' if changed else 'unchanged'}")
        return 0
    stale = [name for name in (*THUMBNAILS, *DIAGRAMS) if difference(name) > 2]
    for name in stale:
        print(f"images/{name}.png is not as the code draws it: make notebooks")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
