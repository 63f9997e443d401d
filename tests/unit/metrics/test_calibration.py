import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics

from fpnlib.metrics import brier_score, calibration_curve


def said_and_came(seed, n=400):
    rng = np.random.default_rng(seed)
    # Some lie on the edges of bins.
    probabilities = np.where(rng.random(n) < 0.3, rng.integers(0, 21, n) / 20, rng.random(n))
    return probabilities, rng.random(n) < probabilities**2


@pytest.mark.parametrize("bins", [1, 5, 10, 20])
@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_scikit_learns(seed, bins):
    probabilities, targets = said_and_came(seed)
    came, said = sklearn.calibration.calibration_curve(targets, probabilities, n_bins=bins)
    curve = calibration_curve(probabilities, targets, bins=bins)
    np.testing.assert_allclose(curve.observed, came)
    np.testing.assert_allclose(curve.predicted, said)
    assert curve.counts.sum() == len(targets)


@pytest.mark.parametrize("seed", range(5))
def test_the_brier_score_is_scikit_learns(seed):
    probabilities, targets = said_and_came(seed)
    assert brier_score(probabilities, targets) == pytest.approx(
        sklearn.metrics.brier_score_loss(targets, probabilities)
    )


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_the_parts_sum_to_the_score_of_the_bins_means(bins):
    probabilities, targets = said_and_came(7)
    curve = calibration_curve(probabilities, targets, bins=bins)
    at = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)
    means = np.array([probabilities[at == one].mean() for one in range(bins)])[at]
    whole = curve.miscalibration - curve.resolution + curve.uncertainty
    assert whole == pytest.approx(brier_score(means, targets))
    assert curve.uncertainty == pytest.approx(targets.var())


def test_the_parts_of_four_samples_by_hand():
    # Two bins: 0.2 and 0.4 with none positive, 0.8 twice with one of two.
    curve = calibration_curve([0.2, 0.4, 0.8, 0.8], [0, 0, 1, 0], bins=2)
    assert curve.predicted == pytest.approx([0.3, 0.8])
    assert curve.observed == pytest.approx([0.0, 0.5])
    assert curve.miscalibration == pytest.approx(0.09)
    assert curve.resolution == pytest.approx(0.0625)
    assert curve.uncertainty == pytest.approx(0.1875)
    assert curve.expected_error == pytest.approx(0.3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("probabilities", "targets", "message"),
    [
        ([0.5, 1.5], [0, 1], "probabilities: got values outside"),
        ([0.5, float("nan")], [0, 1], "probabilities: got NaN"),
        ([], [], "probabilities: got"),
        ([0.5], [0, 1], "targets: got shape"),
        ([0.5, 0.5], [0, 2], "targets: got"),
    ],
)
@pytest.mark.parametrize("measure", [brier_score, calibration_curve])
def test_bad_input_is_named(measure, probabilities, targets, message):
    with pytest.raises(ValueError, match=message):
        measure(probabilities, targets)


@pytest.mark.bad_input
def test_no_bin_is_refused():
    with pytest.raises(ValueError, match="bins: got 0, allowed: at least 1"):
        calibration_curve([0.5], [1], bins=0)
