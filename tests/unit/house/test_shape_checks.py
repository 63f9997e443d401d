"""What `make test` checks shapes with, and the switch in tests/conftest.py that leaves bad input to the library."""

import re
import subprocess
import sys

from hypothesis import settings

MODULE = """
from typing import Self

from jaxtyping import Float
from numpy import ndarray


def first(x: Float[ndarray, "n 4"]) -> ndarray:
    if x.shape[-1] != 4:
        raise ValueError("x: four columns")
    return x[0]


def half(x: float) -> float:
    return x / 2


class Chain:
    def add(self, x: float) -> Self:
        return self
"""
TESTS = """
import pytest
import numpy
from planted_shapes import Chain, first, half


def test_a_wrong_shape_meets_jaxtyping():
    with pytest.raises(TypeError, match="Type-check error"):
        first(numpy.zeros((2, 3)))


@pytest.mark.bad_input
def test_a_wrong_shape_meets_the_library():
    with pytest.raises(ValueError, match="x: four columns"):
        first(numpy.zeros((2, 3)))


def test_a_wrong_shape_meets_jaxtyping_again():
    with pytest.raises(TypeError, match="Type-check error"):
        first(numpy.zeros((2, 3)))


def test_right_types_pass():
    assert half(1) == 0.5
    assert Chain().add(1).add(0.5)


def test_a_wrong_type_meets_jaxtyping():
    with pytest.raises(TypeError, match="Type-check error"):
        half("1")
"""


def test_bad_input_meets_the_library_and_all_else_meets_jaxtyping(tmp_path, pytestconfig):
    (tmp_path / "planted_shapes.py").write_text(MODULE)
    (tmp_path / "test_planted.py").write_text(TESTS)
    for name in ("conftest.py", "shape_checks.py"):
        (tmp_path / name).write_text((pytestconfig.rootpath / "tests" / name).read_text())
    (option,) = re.findall(r"--jaxtyping-packages=fpnlib,(\S+)", (pytestconfig.rootpath / "Makefile").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = bad_input: x\npythonpath = .\n")
    checked = f"--jaxtyping-packages=planted_shapes,{option}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", checked, "test_planted.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "5 passed" in done.stdout, done.stdout


def test_no_example_fails_for_being_slow():
    assert settings.default.deadline is None
