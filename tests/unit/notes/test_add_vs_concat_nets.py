"""Note 07's trained nets and gradients: data that is what it says, fair comparisons, cuts that cut one thing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from fpnlib.claims import Result
from fpnlib.models import LSTMCell
from fpnlib.notes.add_vs_concat.experiments import alignment, gradients, skips
from fpnlib.training.examples import STRIDES, examples
from fpnlib.training.segmenter import predict, score_segmenter, void_classes


def count(net):
    return sum(p.numel() for p in net.parameters())


@given(st.integers(2, 70), st.integers(0, 99))
@settings(max_examples=40)
def test_shuffling_moves_every_channel_along_one_cycle(channels, seed):
    order = alignment.shuffled(channels, seed)
    place, seen = 0, []
    for _ in range(channels):
        seen.append(place)
        place = int(order[place])
    assert sorted(seen) == list(range(channels))
    assert place == 0


def test_alignment_is_the_correlation_with_the_own_channel():
    generator = torch.Generator().manual_seed(0)
    second = torch.randn(20_000, 6, generator=generator, dtype=torch.float64)
    order = alignment.shuffled(6, 0)
    for wanted in alignment.ALIGNMENTS:
        mixed = alignment.misalign(second, wanted, order)
        correlation = (mixed * second).mean(0) / second.square().mean(0)
        torch.testing.assert_close(correlation, torch.full((6,), wanted, dtype=torch.float64), atol=0.03, rtol=0)
        torch.testing.assert_close(mixed.var(0), torch.ones(6, dtype=torch.float64), atol=0.05, rtol=0)
    assert torch.equal(alignment.misalign(second, 1.0, order), second)
    assert torch.equal(alignment.misalign(second, 0.0, order), second[:, order])


@pytest.mark.parametrize("data_set", alignment.DATA_SETS)
def test_no_example_is_both_trained_on_and_tested_on(data_set):
    train, test = alignment.pools(data_set, 3)
    assert len(train.labels) >= alignment.SIZES[-1]
    seen = {row.numpy().tobytes() for row in torch.cat([train.first, train.second])}
    both = sum(row.numpy().tobytes() in seen for row in torch.cat([test.first, test.second]))
    assert both <= 2  # of the digits two or so are equal to the pixel
    assert set(test.labels.tolist()) <= set(train.labels.tolist())


def test_two_digits_of_a_pair_are_different_images_of_the_same_digit():
    pixels, labels = gradients.digits()
    known = {row.numpy().tobytes(): int(label) for row, label in zip(pixels - pixels.mean(0), labels, strict=True)}
    for pairs in alignment.pools("digits", 1):
        for first, second, label in zip(*pairs, strict=True):
            assert known[first.numpy().tobytes()] == known[second.numpy().tobytes()] == label
            assert not torch.equal(first, second)


@pytest.mark.parametrize(("channels", "classes"), [(64, 10), (40, 9)])
def test_the_wide_add_has_concats_parameters(channels, classes):
    nets = {
        kind: alignment.PairNet(
            channels, classes, "concat" if kind == "concat" else "add", alignment.width_of(kind, channels, classes)
        )
        for kind in alignment.KINDS
    }
    assert count(nets["wide"]) == pytest.approx(count(nets["concat"]), rel=0.02)
    assert count(nets["add"]) < 0.6 * count(nets["concat"])
    assert nets["add"].hidden.out_features == nets["concat"].hidden.out_features


def test_the_pair_net_that_concatenates_with_equal_halves_adds():
    torch.manual_seed(0)
    adding, concatenating = (alignment.PairNet(5, 3, merge, 4) for merge in ("add", "concat"))
    state = adding.state_dict()
    concatenating.load_state_dict(state | {"hidden.weight": state["hidden.weight"].repeat(1, 2)})
    first, second = torch.randn(2, 7, 5)
    torch.testing.assert_close(adding(first, second), concatenating(first, second))


def test_frames_of_a_moving_digit_have_one_sum_for_both_directions():
    train, test = alignment.moving_pairs(2)
    for pairs in (train, test):
        assert abs(pairs.labels.double().mean() - 0.5) < 0.01
        there, back = (pairs.labels == label for label in (1, 0))
        still = torch.where(there[:, None], pairs.first, pairs.second).view(-1, 8, 8)
        moved = torch.where(there[:, None], pairs.second, pairs.first).view(-1, 8, 8)
        assert torch.equal(moved[..., 1:], still[..., :-1])
        assert there.any()
        assert back.any()


def test_gains_are_differences_of_accuracies():
    rng = np.random.default_rng(0)
    names = [
        f"{one}_{kind}_{end}_{size}"
        for one in alignment.DATA_SETS
        for kind in alignment.KINDS
        for end in (100, 0)
        for size in alignment.SIZES
    ]
    outcomes = {name: rng.random(3).tolist() for name in names}
    found = alignment.gains(outcomes)
    expected = np.subtract(outcomes["network_wide_0_80"], outcomes["network_concat_0_80"])
    assert found["network_wide_gain_0_80"] == pytest.approx(expected)
    lost = np.subtract(outcomes["network_add_100_40"], outcomes["network_add_0_40"])
    assert found["network_lost_40"] == pytest.approx(lost)
    aligned = [values for name, values in found.items() if "gain_100" in name]
    assert len(aligned) == 28
    assert found["effect"] == pytest.approx(np.mean(aligned, 0))


def test_a_seeds_accuracies_do_not_depend_on_the_seeds_and_cells_beside_it(monkeypatch):
    monkeypatch.setattr(alignment, "STEPS", 15)
    together = alignment.accuracies("digits", [3, 8], (0.0, 1.0), (10, 40), ["add"])
    alone = alignment.accuracies("digits", [8], (1.0,), (40,), ["add"])
    assert alone == {"digits_add_100_40": together["digits_add_100_40"][1:]}


def test_stacks_of_a_seed_share_their_first_kernels():
    made = [gradients.make_stack(5, skip, "torch", 3) for skip in ("plain", "residual", "scaled", "concat")]
    for stem, stack in made:
        assert torch.equal(stem.weight, made[0][0].weight)
        assert torch.equal(stack.blocks[0][2].weight, made[0][1].blocks[0][2].weight)
    for _, stack in made[:3]:
        assert torch.equal(stack.blocks[2][2].weight, made[0][1].blocks[2][2].weight)


@pytest.mark.parametrize("start", gradients.STARTS)
def test_the_scale_leads_from_plain_to_residual(start):
    scaled = gradients.gradient_per_block("scaled", start, (0.0, 0.3, 1.0))
    for place, skip in ((0, "plain"), (2, "residual")):
        np.testing.assert_allclose(scaled[place], gradients.gradient_per_block(skip, start)[0], atol=1e-9)
    np.testing.assert_allclose(scaled[1], gradients.gradient_per_block("scaled", start, (0.3,))[0], atol=1e-9)


def test_what_arrives_at_a_block_is_the_gradient_of_a_net_that_begins_there():
    stem, stack = gradients.make_stack(0, "residual", "torch", gradients.DEPTHS[-1])
    pixels, labels = gradients.digits()
    with torch.no_grad():
        states = [stem(pixels[:2].view(-1, 1, 8, 8))]
        states += stack.states(states[0])
    torch.manual_seed(0)
    head = torch.nn.Linear(gradients.WIDTH, 10).double()

    def arriving(blocks):
        first = states[-1 - blocks].clone().requires_grad_()
        x = first
        for block in stack.blocks[len(stack.blocks) - blocks :]:
            x = x + block(x)
        return torch.autograd.grad(F.cross_entropy(head(x.mean((2, 3))), labels[:2]), first)[0].norm().log10().item()

    found = gradients.gradient_per_block("residual", "torch")[0]
    for blocks in (1, 2, 30):
        assert found[blocks - 1] == pytest.approx(arriving(blocks) - arriving(1), abs=1e-9)


def test_many_gates_at_once_are_the_gates_one_by_one():
    cell, cells = gradients.make_cells(4)["forced"]
    together = gradients.lag_gradients(4, cell, cells)
    for place in (0, 3, cells - 1):
        one = LSTMCell(3, gradients.HIDDEN, forget=gradients.FORGETS[place]).double()
        one.load_state_dict(cell.state_dict())
        torch.testing.assert_close(gradients.lag_gradients(4, one)[:, 0], together[:, place], rtol=0, atol=1e-4)


def test_all_lstm_cells_of_a_seed_have_the_same_weights_but_for_the_forget_bias():
    cells = gradients.make_cells(4)
    states = [cells[name][0].state_dict() for name in ("lstm", "forced", "biased")]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])
        raised = states[2][name] - value
        if name == "bias_ih":
            hidden = gradients.HIDDEN
            torch.testing.assert_close(raised[hidden : 2 * hidden], torch.full_like(raised[:hidden], 3.0))
            raised = torch.cat([raised[:hidden], raised[2 * hidden :]])
        assert (raised == 0).all()


def test_a_wider_gate_hands_more_on():
    forced = gradients.gradients_per_lag()["forced"]
    assert (np.diff(forced[[0, 30, 50, 70, 90, 100], 99]) > 0).all()


def test_behind_an_open_gate_the_past_counts_about_as_much():
    assert abs(gradients.gradients_per_lag()["forced"][100][19:]).max() < 0.5


@given(st.floats(0, 300), st.integers(1, 9))
@settings(max_examples=30)
def test_the_length_of_small_gradients_does_not_underflow(power, n):
    values = torch.full((2, n), 10.0**-power, dtype=torch.float64)
    torch.testing.assert_close(
        gradients.log_norm(values), torch.full((2,), -power + np.log10(n) / 2, dtype=torch.float64)
    )


def test_the_cell_path_alone_hands_on_the_product_of_the_gates_and_all_paths_more():
    cell = gradients.make_cells(3)["lstm"][0]
    x = gradients.scanlines()[:2, :30].transpose(0, 1)
    assert gradients.carousel_gap(cell, x) < 1e-12
    first = torch.zeros(2, gradients.HIDDEN, dtype=torch.float64, requires_grad=True)
    h, c, product = first.detach(), first, torch.ones_like(first)
    for step in x:
        product = product * cell.gates(step, h).forget.detach()
        h, c = cell(step, (h, c))
    (gradient,) = torch.autograd.grad(c.sum(), first)
    assert (gradient / product - 1).abs().max() > 1e-3


def test_the_product_of_gains_is_worked_out_from_the_weights_variance():
    inside = (22 / 24) ** 2
    assert gradients.expected_decades("plain", "he", 59) == pytest.approx(59 * np.log10(inside) / 2)
    assert gradients.expected_decades("plain", "torch", 1) == pytest.approx(np.log10(inside / 6) / 2)
    assert gradients.expected_decades("residual", "he", 10) == pytest.approx(5 * np.log10(1 + inside))
    ones = torch.ones(1, 1, 8, 8)
    assert F.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1).sum().item() / 9 / 64 == pytest.approx(inside)
    _, stack = gradients.make_stack(0, "plain", "torch", 30)
    variances = [kernel.var().item() for kernel in stack.parameters()]
    assert 9 * gradients.WIDTH * np.mean(variances) / 2 == pytest.approx(1 / 6, rel=0.05)


def test_a_branch_divided_by_the_root_of_the_depth():
    (_, whole), (_, divided) = (gradients.make_stack(2, "residual", start, 4) for start in ("he", "branch"))
    for one, other in zip(whole.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(other, one / 60**0.5)


def test_the_wide_pyramid_has_concats_parameters():
    sizes = {kind: count(skips.segmenter(kind, skips.channels_of(kind))) for kind in skips.KINDS}
    assert sizes["wide"] == pytest.approx(sizes["concat"], rel=0.01)
    assert sizes["add"] < 0.9 * sizes["concat"]


def scenes():
    return examples(4, split="test")


@pytest.mark.parametrize("kind", skips.KINDS)
def test_all_parameters_that_are_counted_learn(kind):
    torch.manual_seed(0)
    net = skips.segmenter(kind, 4)
    net(scenes().batch([0, 1])).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert sum(bool(parameter.grad.any()) for parameter in net.parameters()) >= len(list(net.parameters())) - 1


@pytest.mark.parametrize("kind", [*skips.KINDS, "alone"])
def test_a_cut_takes_away_what_one_map_says_and_no_more(kind):
    torch.manual_seed(0)
    net, given = skips.segmenter(kind, 4).eval(), scenes()
    places = range(len(given))
    with torch.no_grad():
        whole = net(given.batch(places))
        for stride in skips.LEVELS:
            cut = skips.without(given, stride)
            for level, one, other in zip(STRIDES, given.inputs, cut.inputs, strict=True):
                assert torch.equal(other, torch.zeros_like(one) if level == stride else one)
            matters = kind != "alone" or stride == skips.LEVELS[0]
            assert ((net(cut.batch(places)) - whole).abs().max() > 1e-5) == matters


def test_the_quick_miou_is_that_of_all_scores():
    torch.manual_seed(1)
    net, given = skips.segmenter("concat", 4).eval(), scenes()
    expected = score_segmenter(predict(net, given), given)["miou"]
    assert skips.miou(net, given, void_classes(given, 2)) == pytest.approx(expected)


def test_both_claims_judge_the_same_nets_from_either_side(monkeypatch):
    drawn = Result.load("AC-10").per_seed
    monkeypatch.setattr(
        skips, "outcomes_of", lambda seed, fine_tune: {name: values[seed] for name, values in drawn.items()}
    )
    gains, kept = skips.concat_or_add([3, 5]), skips.add_for_concat([3, 5])
    assert gains["effect"] == [drawn["gain_wide_longer"][seed] for seed in (3, 5)]
    for kind in ("add", "wide"):
        for course in skips.COURSES:
            for seed, gain, back in zip(
                (3, 5), gains[f"gain_{kind}_{course}"], kept[f"kept_{kind}_{course}"], strict=True
            ):
                assert back == -gain
                one, other = (drawn[f"miou_{name}_{course}"][seed] for name in ("concat", kind))
                assert gain == pytest.approx(one - other)
    stored = Result.load("AC-11").per_seed
    assert stored.keys() == kept.keys()
    assert stored["kept_add_little"] == [-gain for gain in drawn["gain_add_little"]]


def test_what_the_text_says_of_pyramids_on_a_backbone_that_learns():
    learns = Result.load("AC-10", "tuned").measurement
    said = {"add_longer": 0.87, "wide_longer": 0.88, "concat_longer": 0.88, "add_much": 0.84, "alone_much": 0.66}
    assert {name: round(learns.value(f"miou_{name}"), 2) for name in said} == said
