from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.exercises import all_exercises, check
from fpnlib.notes.batch_norm.experiments import digits
from fpnlib.notes.batch_norm.experiments.family import AVERAGED, family_maps
from fpnlib.notes.batch_norm.experiments.folding import _folded_forward
from fpnlib.notes.batch_norm.experiments.gradients import constant_statistics, surviving_share
from fpnlib.notes.batch_norm.experiments.graph import (
    BIASED_RUNNING,
    CHECKS,
    CONSTANT_MEAN,
    CONSTANT_STATISTICS,
    CONSTANT_VARIANCE,
    RIGHT,
    SQUARES,
    VARIANTS,
    forward_backward,
)
from fpnlib.notes.batch_norm.experiments.learning_rates import split_gain
from fpnlib.notes.batch_norm.explorers import distribution, folding, norm_family, passes, running_statistics
from fpnlib.ops import batch_norm_forward

SOURCE = Path(__file__).resolve().parents[3] / "notebooks" / "source" / "06-batch-norm.py"


@pytest.fixture(scope="module")
def family():
    return norm_family()


@given(st.integers(2, 9), st.integers(0, 1000), st.sampled_from([0.0, 1e-5, 0.3]))
def test_the_graph_is_autograds(n, seed, eps):
    generator = torch.Generator().manual_seed(seed)
    x, grad = torch.randn((2, n), generator=generator, dtype=torch.float64)
    leaves = [x.requires_grad_(), *torch.randn(2, generator=generator, dtype=torch.float64).requires_grad_().unbind()]
    graph = forward_backward(*(leaf.detach() for leaf in leaves), grad, eps=eps)
    variance, mean = torch.var_mean(leaves[0], correction=0)
    y = leaves[1] * (leaves[0] - mean) / (variance + eps).sqrt() + leaves[2]
    gradients = torch.autograd.grad(y, leaves, grad)
    torch.testing.assert_close(graph.y.value, y.detach())
    for node, gradient in zip((graph.x, graph.weight, graph.bias), gradients, strict=True):
        torch.testing.assert_close(node.grad, gradient, rtol=1e-6, atol=1e-8)


def test_a_constant_statistic_is_what_autograd_makes_of_a_detached_one():
    x = torch.tensor([-1.0, 0.5, 2.0, 0.1], dtype=torch.float64)
    grad = torch.tensor([1.0, 0.3, 0.0, -0.5], dtype=torch.float64)
    weight, bias = torch.tensor(1.5, dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64)
    for variant, mean_moves, variance_moves in (
        *((RIGHT, True, True), (CONSTANT_STATISTICS, False, False)),
        *((CONSTANT_MEAN, False, True), (CONSTANT_VARIANCE, True, False)),
    ):
        leaf = x.clone().requires_grad_()
        mean = leaf.mean() if mean_moves else leaf.mean().detach()
        # The variance is a function of the centred values, so a constant mean is one there as well.
        variance = (leaf - mean).square().mean()
        variance = variance if variance_moves else variance.detach()
        y = weight * (leaf - mean) / (variance + 1e-5).sqrt() + bias
        graph = forward_backward(x, weight, bias, grad, variant=variant)
        torch.testing.assert_close(graph.x.grad, torch.autograd.grad(y, leaf, grad)[0])
    _, cache = batch_norm_forward(x[:, None], weight[None], bias[None])
    wrong = forward_backward(x, weight, bias, grad, variant=CONSTANT_STATISTICS)
    torch.testing.assert_close(constant_statistics(grad[:, None], cache)[:, 0], wrong.x.grad)


@pytest.mark.parametrize(
    ("variant", "shift", "red"),
    [
        (RIGHT, 5000, set()),
        (CONSTANT_STATISTICS, 0, {"gradient w.r.t. x", "gradients w.r.t. x sum to 0"}),
        (CONSTANT_MEAN, 0, {"gradient w.r.t. x", "gradients w.r.t. x sum to 0"}),
        (CONSTANT_VARIANCE, 0, {"gradient w.r.t. x"}),
        (BIASED_RUNNING, 0, {"running variance"}),
        (SQUARES, 0, set()),
        (SQUARES, 5000, {"outputs", "gradient w.r.t. x", "gradient w.r.t. γ", "running variance"}),
    ],
)
def test_which_check_goes_red(variant, shift, red):
    explorer = passes(variant=variant, shift=shift)
    assert {name for name, passed in zip(CHECKS, explorer.data.passed, strict=True) if not passed} == red
    assert explorer.readout.endswith("All six checks pass.") == (not red)


def test_a_negative_variance_is_shown_as_no_number():
    state = {f"x{i}": value for i, value in enumerate((0.1, 0.2, 0.3, 0.2), 1)}
    seen = [passes(**state | {"x1": 0.1 * i}, shift=5000, variant=SQUARES).readout for i in range(-10, 10)]
    assert any("NaN" in words for words in seen)


@pytest.mark.bad_input
def test_an_unknown_variant():
    with pytest.raises(ValueError, match="variant: got 'none', allowed: 'as derived'"):
        forward_backward(torch.zeros(2), torch.tensor(1.0), torch.tensor(0.0), torch.zeros(2), variant="none")
    assert len(set(VARIANTS)) == 6


def test_own_values_and_own_photo():
    explorer = distribution(np.arange(100.0))
    assert explorer.data.after_mean == pytest.approx(0)
    assert folding(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).data.two.shape == (40, 60)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distribution([1.0]), "values: got 1 numbers, allowed: 2 or more"),
        (lambda: distribution([1.0, float("nan")]), "values: got NaN"),
        (lambda: distribution([1.0, 1.0]), "values: got equal ones"),
        (lambda: folding(np.zeros((4, 40, 3), np.uint8)), "photo: got sides 4×40"),
    ],
)
def test_own_input_that_does_not_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_running_statistics_are_torchs():
    explorer = running_statistics(momentum="0.3", batch_size=4, drift=0.0)
    mean, variance = torch.zeros(1), torch.ones(1)
    rng = np.random.default_rng(4)
    x = torch.tensor(3 + 2 * rng.standard_normal((300, 4)), dtype=torch.float32)
    for batch in x:
        F.batch_norm(batch[:, None], mean, variance, training=True, momentum=0.3)
    assert explorer.data.running_mean[-1] == pytest.approx(mean.item(), rel=1e-4)
    assert explorer.data.running_variance[-1] == pytest.approx(variance.item(), rel=1e-4)


def test_two_values_and_the_biased_variance_store_half():
    data = running_statistics(momentum="None (plain average)", batch_size=2, unbiased=False).data
    assert data.settled == pytest.approx(0.5, abs=0.05)


def test_digits_are_parted_once_and_normalised():
    data = digits.load()
    assert len(data.labels) + len(data.validation_labels) + len(data.test_labels) == 1797
    assert data.images.mean().item() == pytest.approx(0, abs=1e-9)
    assert data.images.var().item() == pytest.approx(1, abs=1e-9)


def test_both_kinds_of_net_begin_with_the_same_weights():
    nets = []
    for kind in digits.KINDS:
        torch.manual_seed(3)
        nets.append(dict(digits.DigitNet(4, kind).named_parameters()))
    *normed, without = nets
    for with_norm in normed:
        assert set(without) < set(with_norm)
        assert all(torch.equal(value, with_norm[name]) for name, value in without.items())


def test_the_scale_multiplies_the_convolutions_alone():
    nets = []
    for scale in (1.0, 10.0):
        torch.manual_seed(3)
        nets.append(digits.DigitNet(3, "plain", scale))
    for module, scaled in zip(*(net.features for net in nets), strict=True):
        if isinstance(module, torch.nn.Conv2d):
            torch.testing.assert_close(scaled.weight, 10 * module.weight)
    assert torch.equal(nets[0].head.weight, nets[1].head.weight)


def test_the_grid_of_rates_and_scales_is_what_its_trainings_say(monkeypatch):
    monkeypatch.setattr(digits, "_RATE_STEPS", 3)
    found = digits.rates_and_scales([7], [digits.USUAL, 0])
    data = digits.load()
    net = partial(digits.DigitNet, 4, "plain", 0.1)
    alone = digits.train([7], digits.RATES[4:5], net, 32, 3)
    wrong = digits.errors(alone, data.test_images, data.test_labels)
    assert found["plain_error_0_4"] == wrong.tolist()
    at = int(found["plain_best_0"][0])
    assert found["plain_tuned_0"] == found[f"plain_error_0_{at}"]
    assert not any(name.endswith(("_tuned_1", "_best_3")) for name in found)


@given(st.integers(2, 12))
@settings(max_examples=10)
def test_two_of_n_directions_are_lost(n):
    assert surviving_share(n) == pytest.approx((n - 2) / n, abs=1e-12)


def test_the_gain_is_split_at_the_plain_nets_rate():
    usual = digits.USUAL
    errors = {f"norm_error_{usual}_{i}": [0.5 - 0.05 * i] for i in range(len(digits.RATES))}
    errors |= {f"plain_error_{usual}_{i}": [0.6] for i in range(len(digits.RATES))}
    errors |= {f"norm_tuned_{usual}": [0.2], f"plain_tuned_{usual}": [0.6]}
    errors |= {f"norm_best_{usual}": [6.0], f"plain_best_{usual}": [4.0]}
    found = split_gain(errors)
    assert found["same_rate_gain"] == pytest.approx([0.3])
    assert found["other_rate_gain"] == pytest.approx([0.1])
    assert found["effect"] == pytest.approx([0.2])


def test_batch_norm_before_a_padded_convolution_folds_only_inside():
    border, inside = _folded_forward(torch.Generator().manual_seed(9))
    assert border > 0.1
    assert inside < 1e-12


def test_a_seeds_nets_do_not_depend_on_the_seeds_beside_it():
    data = digits.load()
    net = partial(digits.DigitNet, 2, "norm")
    together, alone = (digits.train(seeds, (0.03, 0.3), net, 8, 10) for seeds in ([3, 8, 5], [5]))
    torch.testing.assert_close(
        together.predict(data.test_images)[4:], alone.predict(data.test_images), rtol=1e-10, atol=1e-10
    )


def test_a_diverged_net_knows_no_better_than_chance():
    data = digits.load()
    ensemble = digits.train([0], (0.1, 1e200), partial(digits.DigitNet, 2, "norm"), 8, 60)
    learned, diverged = digits.errors(ensemble, data.test_images, data.test_labels)
    assert diverged == 0.9
    assert learned < 0.7


@pytest.mark.parametrize("s", [0.5, 3.0])
def test_longer_weights_do_what_the_exercise_predicts(s):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 5, generator=generator, dtype=torch.float64)
    weights, target = torch.randn((2, 5), generator=generator, dtype=torch.float64)
    seen = []
    for factor in (1.0, s):
        w = (factor * weights).requires_grad_()
        one, zero = torch.ones(1, dtype=x.dtype), torch.zeros(1, dtype=x.dtype)
        y = batch_norm_forward((x @ w)[:, None], one, zero, eps=0.0)[0][:, 0]
        (gradient,) = torch.autograd.grad(((y - x @ target) ** 2).mean(), w)
        seen.append((y.detach(), gradient.norm(), torch.atan(1e-6 * gradient.norm() / w.detach().norm())))
    (y, gradient, angle), (y_s, gradient_s, angle_s) = seen
    torch.testing.assert_close(y_s, y)
    assert (1.0, gradient_s / gradient, angle_s / angle) == pytest.approx(all_exercises()["longer weights"].solution(s))


def test_the_bug_to_mend_is_the_one_in_the_note():
    code = SOURCE.read_text().partition('check("freeze batch norm"')[0].rpartition("# %%\n")[2]
    names = {"nn": torch.nn}
    exec(code, names)
    assert "still move" in check("freeze batch norm", names["freeze"]).fault


def test_another_wrong_freeze_is_told_what_it_did():
    fault = check("freeze batch norm", lambda net: net.train().requires_grad_(False)).fault
    assert "Of two batch norms 2 look at the batch" in fault
    assert "0 of the convolutions' four" in fault


def test_the_dots_output_is_torchs(family):
    explorer, maps = family, family_maps()
    for image, channel, size in ((0, 3, 2), (6, 15, 5)):
        order = (image + np.arange(size)) % len(maps)
        layers = {
            "batch": F.batch_norm(maps[order], None, None, training=True),
            "layer": F.layer_norm(maps[order], maps.shape[1:]),
            "instance": F.instance_norm(maps[order]),
            "group": F.group_norm(maps[order], 8),
        }
        for norm, y in layers.items():
            data = explorer.set(norm=norm, groups=8, image=image, channel=channel, size=size).data
            assert data.of_norm[-1] == pytest.approx(y[0, channel, 16, 16].item(), rel=1e-4, abs=1e-5)


def test_what_lights_up(family):
    lit = lambda **state: (family.set(image=6, channel=5, size=4, **state).data.where == AVERAGED).nonzero()  # noqa: E731
    rows, columns = lit(norm="batch")
    assert (rows.tolist(), set(columns)) == ([0, 1, 6, 7], {5})  # after the last image comes the first
    assert [part.tolist() for part in lit(norm="instance")] == [[6], [5]]
    assert [part.tolist() for part in lit(norm="layer")] == [[6] * 16, [*range(16)]]
    assert [part.tolist() for part in lit(norm="group", groups=4)] == [[6] * 4, [4, 5, 6, 7]]


def test_only_batch_norms_line_moves_with_a_neighbour(family):
    maps = family_maps()
    maps[5] *= 10
    other = norm_family(maps)
    before, after = (explorer.set(image=4, channel=8, size=4).data.outputs for explorer in (family, other))
    assert (before[1:] == after[1:]).all()
    assert before[0, 0] == after[0, 0]
    assert (before[0, 1:] != after[0, 1:]).all()


def test_own_maps_of_another_number_have_numbers_for_names():
    assert "image 2" in norm_family(torch.randn(3, 2, 4, 5)).readout


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (torch.zeros(4, 4), r"maps: got shape \(4, 4\), allowed: \(N, C, H, W\)"),
        (torch.zeros(1, 4, 2, 2), "maps: got 1×4, allowed: 2×2 to 16×32 of them"),
        (torch.full((2, 2, 2, 2), float("nan")), "maps: got NaN or infinite values"),
    ],
)
def test_maps_that_do_not_do(maps, message):
    with pytest.raises(ValueError, match=message):
        norm_family(maps)
