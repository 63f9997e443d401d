"""The digits are scikit-learn's, without scikit-learn."""

import subprocess
import sys

import torch
from sklearn.datasets import load_digits

from fpnlib.data import digits


def test_they_are_those_of_scikit_learn():
    theirs = load_digits()
    images, labels = digits()
    assert torch.equal(images, torch.from_numpy(theirs.images))
    assert torch.equal(labels, torch.from_numpy(theirs.target))


def test_changing_them_changes_no_later_ones():
    images, labels = digits()
    images.zero_()
    labels.zero_()
    again, kinds = digits()
    assert again.max() == 16
    assert kinds.max() == 9


def test_scikit_learn_is_not_imported():
    code = "import sys; from fpnlib.data import digits; digits(); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
