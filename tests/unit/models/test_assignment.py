"""Which level an object goes to, beside the paper's own numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpnlib.models.assignment import pyramid_level


def square(*sides):
    return torch.tensor([[10.0, 20.0, 10.0 + side, 20.0 + side] for side in sides])


def test_224_goes_to_p4_and_each_doubling_one_level_up():
    # Lin et al. 2017, section 4.2: an object of 224 pixels goes to P4, one of half its scale to P3.
    assert pyramid_level(square(56, 112, 223.9, 224, 448)).tolist() == [2, 3, 3, 4, 5]


def test_rounding_lets_no_power_of_two_fall():
    x0 = 1000 * torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    boxes = torch.stack((x0, x0, x0 + 112, x0 + 112), 1)
    assert (pyramid_level(boxes) == 3).float().mean() > 0.999  # the rest loses more in x0 + 112 − x0 than is forgiven


def test_sizes_beyond_the_ends_go_to_the_ends():
    assert pyramid_level(square(0, 1, 55, 900, 5000)).tolist() == [2, 2, 2, 5, 5]
    assert pyramid_level(square(8, 500), levels=(4, 4)).tolist() == [4, 4]


@given(st.floats(1, 500), st.floats(1, 500), st.sampled_from([32.0, 100.0, 224.0]))
def test_only_the_area_counts_and_doubling_goes_up_by_one(width, height, canonical):
    made = torch.tensor([[0, 0, width, height], [5, 7, 5 + height, 7 + width], [0, 0, 2 * width, 2 * height]])
    here, turned, doubled = pyramid_level(made.double(), canonical_size=canonical, levels=(-20, 20)).tolist()
    assert here == turned
    assert doubled == here + 1
    # The level's span of sizes, from canonical · 2^(k − 4) on, holds the box.
    low = canonical * 2.0 ** (here - 4)
    assert low * (1 - 1e-6) <= (width * height) ** 0.5 < 2 * low * (1 + 1e-6)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canonical_size": 0.0}, "canonical_size: got 0.0, allowed: above 0"),
        ({"levels": (5, 2)}, r"levels: got \(5, 2\), allowed: the finest first"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        pyramid_level(square(3), **arguments)
    with pytest.raises(ValueError, match="boxes: got 4 NaN or infinite"):
        pyramid_level(torch.full((1, 4), float("nan")))
