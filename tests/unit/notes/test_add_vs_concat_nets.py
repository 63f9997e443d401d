"""Note 07's trained nets and gradients: data that is what it says, fair comparisons, cuts that cut one thing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, jaccard_score

from fpnlib.data import photo
from fpnlib.models import LSTMCell
from fpnlib.notes.add_vs_concat import alignment, gradients, skips
from fpnlib.notes.add_vs_concat.highway import gradient_per_block
from fpnlib.notes.add_vs_concat.memory import gradients_per_lag
from fpnlib.notes.add_vs_concat.skip_value import cut_names


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
    np.testing.assert_allclose(
        gradient_per_block("scaled", start, 0.0), gradient_per_block("plain", start, 0.5), atol=1e-9
    )
    np.testing.assert_allclose(
        gradient_per_block("scaled", start, 1.0), gradient_per_block("residual", start, 0.5), atol=1e-9
    )


def test_many_gates_at_once_are_the_gates_one_by_one():
    cell, cells = gradients.make_cells(4)["forced"]
    together = gradients.lag_gradients(4, cell, cells)
    for place in (0, 3, cells - 1):
        one = LSTMCell(3, gradients.HIDDEN, forget=gradients.FORGETS[place]).double()
        one.load_state_dict(cell.state_dict())
        torch.testing.assert_close(gradients.lag_gradients(4, one)[:, 0], together[:, place])


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


def test_a_wider_gate_hands_more_on_until_the_row_begins():
    forced = gradients_per_lag()["forced"]
    assert (np.diff(forced[[0, 30, 50, 70, 90, 100], 99]) > 0).all()
    assert abs(forced[100, 99]) < 0.5


def test_behind_an_open_gate_only_the_beginning_of_a_row_counts_more():
    image = torch.from_numpy(photo("coffee")[:60:4].copy()).double()
    far = []
    for steps in (201, 401):
        rows = ((image - image.mean()) / image.std())[:, -steps:]
        decades = []
        for seed in range(4):
            cell, _ = gradients.make_cells(seed)["forced"]
            cell.forget = 1.0
            x = rows.transpose(0, 1).clone().requires_grad_()
            (gradient,) = torch.autograd.grad(gradients.last_output(cell, x).sum(), x)
            size = gradient.flatten(1).norm(dim=1).log10().flip(0)
            decades.append(size - size[1])
        far.append(torch.stack(decades).mean(0))
    assert far[0][200] > 0.5
    assert abs(far[1][200]) < 0.5
    assert far[1][400] > 0.5


@pytest.mark.parametrize("net", skips.NETS)
def test_matched_nets_have_concats_parameters(net):
    sizes = {kind: count(skips.make_net(net, kind)) for kind in skips.KINDS}
    assert sizes["matched"] == pytest.approx(sizes["concat"], rel=0.02)
    assert abs(sizes["add"] / sizes["concat"] - 1) > 0.05


def images_of(net):
    side, channels = (32, 3) if net == "unet" else (8, 1)
    return torch.randn(6, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("net", skips.NETS)
@pytest.mark.parametrize("kind", skips.KINDS)
def test_a_cut_takes_away_what_one_map_says_of_an_image_and_no_more(net, kind):
    torch.manual_seed(0)
    model, x = skips.make_net(net, kind).eval(), images_of(net)
    whole = model(x)
    torch.testing.assert_close(skips.run_cut(model, x, -1), whole)
    alike = x[:1].expand_as(x)
    for cut in range(skips.skip_count(net)):
        assert (skips.run_cut(model, x, cut) - whole).abs().max() > 1e-5, cut
        # Where all images are one, their mean says all there is to say.
        torch.testing.assert_close(skips.run_cut(model, alike, cut), model(alike), rtol=1e-3, atol=1e-4)
    assert len(cut_names(net)) == skips.skip_count(net)


@given(st.integers(0, 999))
@settings(max_examples=20)
def test_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    answers, targets = rng.integers(0, 2, (2, 3, 4, 5))
    expected = jaccard_score(targets.ravel(), answers.ravel(), zero_division=1.0)
    assert skips.score("unet", torch.tensor(answers), torch.tensor(targets)) == pytest.approx(expected)
    classes = rng.integers(0, 3, (2, 9))
    found = skips.score("densenet", *map(torch.tensor, classes))
    assert found == pytest.approx(accuracy_score(*classes))


def test_digits_held_out_are_not_trained_on():
    for seed in (0, 5):
        train = skips.training_examples("densenet", seed, skips.SIZES["densenet"][-1]).images.flatten(1)
        test = skips.held_out("densenet", seed).images.flatten(1)
        pixels = {row.numpy().tobytes() for row in train}
        assert sum(row.numpy().tobytes() in pixels for row in test) <= 2
    assert len(test) == 500


def test_fewer_examples_are_the_first_of_more():
    few, more = (skips.training_examples("densenet", 2, size) for size in (20, 100))
    assert torch.equal(few.images, more.images[:20])
    assert torch.equal(few.targets, more.targets[:20])


@pytest.mark.parametrize("net", skips.NETS)
def test_the_first_net_of_equal_parameters_is_that_of_its_seed(net):
    skips.matched_widths.cache_clear()
    skips.matched_growth.cache_clear()
    nets = []
    for _ in range(2):  # the second time the widths are known
        torch.manual_seed(5)
        nets.append(dict(skips.make_net(net, "matched").state_dict()))
    torch.testing.assert_close(*nets, rtol=0, atol=0)
