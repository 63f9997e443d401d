"""What pages offer of each explorer: some of its controls, and their values, in every combination."""

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import ipywidgets

from fpnlib.explore.controls import checked
from fpnlib.explore.handles import Values, stops
from fpnlib.validation import require

Wanted = Mapping[str, int | Sequence[Any] | EllipsisType]
"""Of each control: so many of its values, or these, or all (...). A control that is not named keeps its first value."""

DEFAULT_DATA = {"price_of_a_line"}
"""Explorers that their notes call with data made in the cell above, which are those that they have by default."""

# What the notes ask a reader to try is in it; tests/site/paths.py walks there.
OFFERED: dict[str, Wanted] = {
    "precision_recall": {"threshold": ..., "beta": (1, 4), "whole": ...},
    "prevalence": {"ratio": 26, "threshold": 19},
    "operating_point": {"threshold": 19, "cost": (0.1, 1, 2, 10, 20), "ratio": (1, 9, 10, 90, 100), "best": ...},
    "calibration": {"temperature": 25, "offset": 13, "bins": (5, 10, 20)},
    "interpolations": {"item": ..., "rank": ..., "missed": (0, 1, 3, 10)},
    "box_error": {"iou": 10, "error": ...},
    "detection": {"iou": ..., "score": (0.5, 0.7, 0.9, 0.94, 0.97, 0.99), "shifted": ...},
    "geometry": {
        "position": (0, 1, 2, 3, 5, 8, 11, 14, 17, 20, 23, 26, 29, 30, 31, 32, 33, 34, 36, 39),
        "width": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20),
        "layers": ...,
        "padding": (0, 1),
    },
    "roi_on_photo": {
        "x": (0, 60, 119),
        "y": (0, 10, 20, 40, 79),
        "width": (1, 3, 6, 12, 30, 60),
        "height": (1, 6, 20, 40, 60),
    },
    "face_at_border": {"distance": ..., "padding": (0, 2, 6, 12), "mode": ..., "hundred": ...},
    "padding_in": {"padding": ..., "map": ..., "missing": ..., "threshold": ...},
    "receptive_fields": {"layers": ..., "kernel": ..., "stride": ..., "dilation": ..., "padding": (0, 1, 2)},
    "head_stability": {"head": ..., "rate": ..., "before": ..., "net": 8},
    "inside_the_head": {"rate": ..., "before": ..., "snapshot": ...},
    "pyramid": {"image": ..., "net": ..., "stage": ..., "level": ..., "x": (25, 50, 75)},
    "architecture": {
        "height": (32, 224, 320, 480, 481, 640, 1024),
        "width": (32, 33, 224, 225, 320, 321, 480, 481, 513, 608, 609, 640, 641, 672, 673, 1024),
        "backbone": ...,
    },
    "top_down_step": {"mix": 21, "level": ..., "channel": (1, 5, 9), "upsampling": ...},
    "level_assignment": {"size": 33, "x": (20, 45, 80), "y": (33, 80), "rule": ...},
    "detections": {"net": ..., "picture": ..., "score": (0.05, 0.3, 0.4, 0.6, 0.8, 0.95)},
    "cue_distance": {"distance": ..., "path": ..., "backbone": ...},
    "after_fpn": {"neck": ..., "level": ..., "through": ..., "side": (256, 512), "channels": (64, 256)},
    "catapult": {
        "rate": (0.06, 0.1, 0.16, 0.2, 0.26, 0.3, 0.5),
        "momentum": (0.0, 0.9),
        "u": (0.5, 1.0, 2.0, 3.0, 3.4, 3.9),
        "v": (0.1, 0.4, 1.0),
    },
    "live_training": {"train": ..., "rate": ..., "shown": ..., "heard": ..., "seed": 6},
    "schedule_designer": {"mode": ..., "warmup": 13, "after": ..., "delay": ...},
    "rate_map": {"optimizer": ..., "shown": ..., "place": ..., "warmup": ..., "whole": ...},
    "schedule_kin": {"optimizer": ..., "schedule": ..., "place": ...},
    "range_test": {"net": ..., "batch_norm": ..., "shown": ...},
    "sharpness": {"rate": ..., "warmup": ..., "batch_norm": ..., "seed": ...},
    "jump_to_full_rate": {"way": ..., "moment": ...},
    "distribution": {
        "gamma": (-2, -1, 0, 0.5, 1, 1.5, 2),
        "beta": (-2, 0, 2),
        "batch_size": (2, 16, 256),
        "batch": (0, 1, 2, 3, 4),
        "scale": (-5, 0),
    },
    "passes": {"x1": 13, "g2": (0, 1), "shift": ..., "variant": ...},
    "norm_family": {"norm": ..., "groups": (1, 4, 16), "channel": (5, 8, 11), "size": (1, 2, 4, 8), "after": ...},
    "running_statistics": {"momentum": ..., "batch_size": (2, 8, 64), "drift": 7, "unbiased": ...},
    "folding": {
        "gamma": (-1, 0.5, 1, 2),
        "beta": (-1, 0.5, 2),
        "mean": (-1, 0.5, 2),
        "variance": (0.5, 2, 8),
        "mode": ...,
    },
    "learning_rates": {"power": ..., "scale": ..., "limit": (0.1, 0.2, 0.4)},
    "add_is_tied_concat": {
        "tie": ...,
        "relu": ...,
        "nudge": (-1, 0, 0.3, 1),
        "kernel": ...,
        "kernel_size": (3, 5),
        "stride": ...,
        "dilation": (1, 2),
    },
    "fusion_costs": {"maps": ..., "channels": (8, 64, 128, 256), "kernel": (1, 3, 5, 7), "levels": ...},
    "alignment": {"alignment": ..., "pairs": ..., "data": ..., "equal": ..., "whole": ...},
    "edge_fusion": {f"side_{depth}": (0, 0.2, 1) for depth in range(1, 6)},
    "gradient_highway": {"scale": 11, "depth": (1, 15, 30, 45, 60), "start": ...},
    "lstm_memory": {"forget": 21, "lag": (1, 50, 100, 200)},
    "small_pyramids": {"score": ..., "training": ...},
    "fusion_kin": {"kind": ..., "strength": (0, 1, 3), "x": (20, 45, 90), "y": (45, 80), "side": (32, 64)},
    "thin_or_region": {"void": ..., "pixels": (0, 1, 2), "kind": ...},
    "dataset_or_image": {"image": ..., "lost": ..., "share": 11},
    "three_tasks": {"photo": ..., "task": ..., "grown": ...},
    "box_limited_mask": {"instance": (7, 11, 15), "across": ..., "grown": (0, 20)},
    "stride_ceiling": {"stride": ..., "mode": ..., "instance": ...},
    "crf": {"scene": ..., "iterations": (0, 1, 2, 5, 10), "color": (5, 15, 40), "net": ...},
    "price_of_a_line": {"line": (1, 2, 3), "void": ..., "instance": ...},
    "drawn_labels": {"scene": ..., "sweeps": ..., "weight": (0.0, 5.0, 10.0), "draw": (0, 1, 2)},
    "superpixels": {"side": (6, 12, 24, 36, 48), "compactness": ..., "net": ..., "scene": (1, 2, 4)},
    "weak_labels": {
        "count": (2, 4, 8, 16, 32, 64, 128),
        "kind": ...,
        "method": ...,
        "instance": (0, 3),
        "hand": (0, 1),
    },
    "shared_fields": {"stride": ..., "apart": ...},
    "research_planner": {
        "reading": (3, 3.5, 4),
        "method": (3, 3.5, 4),
        "writing": (3, 3.5, 4),
        "start": ("January", "March", "May", "July", "September", "November"),
        "times": ...,
    },
}


def offered(controls: Mapping[str, ipywidgets.Widget], start: Mapping[str, Any], wanted: Wanted) -> Values:
    """Return the values of the controls that are wanted, in the controls' order, as the controls hold them.

    Raises:
        ValueError: a control or a value that is not there, or the start is left out.
    """
    require(set(wanted) <= set(controls), "controls", ", ".join(wanted), ", ".join(controls))
    values: dict[str, Sequence[Any]] = {}
    for name, control in controls.items():
        some = wanted.get(name, ())
        every = list(stops(control, count=None))
        every[every.index(start[name]) if start[name] in every else _nearest(every, start[name])] = start[name]
        if some is ...:
            values[name] = every
        elif isinstance(some, int):
            values[name] = spread(every, every.index(start[name]), some)
        elif some:
            values[name] = [checked(name, control, one) for one in some]
            require(start[name] in values[name], name, repr(start[name]), f"among {some}")
    return values


def spread(every: Sequence[Any], at: int, count: int) -> Sequence[Any]:
    """Return about so many of a slider's values: both ends, the one at a place, and even steps away from it."""
    stride = max(1, -(-(len(every) - 1) // (count - 1)))
    places = {0, len(every) - 1, *range(at % stride, len(every), stride)}
    # An end that lies closer than half a step to its neighbour takes the neighbour's place.
    places -= {place for place in places if place != at and 0 < place < stride / 2}
    places -= {place for place in places if place != at and 0 < len(every) - 1 - place < stride / 2}
    return [every[place] for place in sorted(places)]


def _nearest(every: Sequence[Any], value: Any) -> int:
    return min(range(len(every)), key=lambda place: abs(every[place] - value))
