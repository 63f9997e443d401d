import math

import pytest

from fpnlib.explore import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.0, "1"),
        (-2.5, "−2.5"),
        (0.97777, "0.978"),
        (0.00123, "0.00123"),
        (1234.5, "1230"),
        (123456, "123000"),
        (5.123e-5, "5.12×10⁻⁵"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "undefined"),
    ],
)
def test_numbers_read_as_a_person_writes_them(value, text):
    assert number(value) == text


def test_the_number_of_digits_can_be_chosen():
    assert number(0.123456, 4) == "0.1235"
    assert number(0.5, 1) == "0.5"
