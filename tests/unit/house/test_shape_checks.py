"""The switch in tests/conftest.py: --jaxtyping-packages checks shapes, except where input is bad on purpose."""

import subprocess
import sys

from hypothesis import settings

MODULE = """
from jaxtyping import Float
from numpy import ndarray


def first(x: Float[ndarray, "n 4"]) -> ndarray:
    if x.shape[-1] != 4:
        raise ValueError("x: four columns")
    return x[0]
"""
TESTS = """
import pytest
import numpy
from planted_shapes import first


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
"""


def test_bad_input_meets_the_library_and_all_else_meets_jaxtyping(tmp_path, pytestconfig):
    (tmp_path / "planted_shapes.py").write_text(MODULE)
    (tmp_path / "test_planted.py").write_text(TESTS)
    conftest = pytestconfig.rootpath / "tests" / "conftest.py"
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = bad_input: x\npythonpath = .\n")
    checked = "--jaxtyping-packages=planted_shapes,beartype.beartype"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", checked, "test_planted.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "3 passed" in done.stdout, done.stdout


def test_no_example_fails_for_being_slow():
    assert settings.default.deadline is None
