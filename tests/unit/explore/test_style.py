"""The palette, for readers who see colours otherwise and for a page printed in grey."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

import fpnlib.notes
from fpnlib.explore import style

HUES = ("BLUE", "ORANGE", "GREEN", "RED", "PURPLE", "SKY", "YELLOW")
# G. Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, in full severity.
DEFICIENCIES = {
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
    "tritanopia": [
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ],
}
# Where two hues of one grey meet in a picture, and what else tells them apart.
TOLD_APART = {
    ("sharpness", "ORANGE", "SKY"): "a dashed line and thin ones",
    ("range_test", "ORANGE", "SKY"): "thin curves and an upright line with its words",
    ("geometry", "ORANGE", "SKY"): "a bar and a pale area",
    ("research_planner", "ORANGE", "SKY"): "lines and filled bars",
    ("small_pyramids", "ORANGE", "SKY"): "an upright line and a curve with its name",
    ("passes", "GREEN", "RED"): "a tick and a cross",
    ("detection", "GREEN", "RED"): "a thick frame and a thin one",
    ("detections", "GREEN", "RED"): "a thick frame and a thin one",
    ("detections", "GREEN", "PURPLE"): "boxes on scenes and boxes on photos, which have no labels",
    ("detections", "PURPLE", "RED"): "as above",
    ("cue_distance", "GREEN", "PURPLE"): "round and square marks, a whole line and a dashed one",
    ("cue_distance", "GREEN", "RED"): "a curve and an upright line with its words",
    ("cue_distance", "PURPLE", "RED"): "as above",
    ("gradient_highway", "GREEN", "PURPLE"): "different dashes",
    (
        "norm_family_grid",
        "GREEN",
        "PURPLE",
    ): "nothing: a map of signs, whose size is its darkness; the dot says its number",
    ("calibration", "GREEN", "RED"): "two curves with their names",
    ("inside_the_head", "GREEN", "PURPLE"): "nothing: six classes in one map, with the truth beside it",
    ("inside_the_head", "ORANGE", "SKY"): "a line and a class in a map",
}


def seen(colour: str, deficiency: str) -> np.ndarray:
    """Return a colour's L*, a*, b* as somebody with a deficiency sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = (np.array(DEFICIENCIES[deficiency]) @ linear).clip(0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def lightness(name: str) -> float:
    return float(rgb2lab(np.array(to_rgb(getattr(style, name))))[0])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("pair", list(itertools.combinations(HUES, 2)), ids="-".join)
def test_no_two_hues_look_alike_to_a_colour_blind_reader(pair, deficiency):
    first, second = (seen(getattr(style, name), deficiency) for name in pair)
    assert deltaE_ciede2000(first, second) > 10


def modules():
    for path in sorted(Path(fpnlib.notes.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "fpnlib.explore.style":
                yield path.stem, sorted({alias.name for alias in node.names} & set(HUES))


def alike_in_grey():
    for module, names in modules():
        for first, second in itertools.combinations(names, 2):
            if abs(lightness(first) - lightness(second)) < 8:
                yield module, first, second


def test_hues_that_meet_differ_in_grey_or_in_shape():
    assert len(list(modules())) > 20
    assert set(alike_in_grey()) == set(TOLD_APART)


@pytest.mark.parametrize(("name", "ratio"), [("INK", 7), ("MUTED", 4.5)])
def test_text_stands_out_from_white(name, ratio):
    rgb = np.array(to_rgb(getattr(style, name)))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= ratio  # WCAG's contrast
