"""Note 05: descent on two losses of which everything is known."""

import numpy as np
import pytest
import torch

from fpnlib.notes.warmup.experiments.catapult import FAR, on_parabola, on_product, sharpness_of_product


@pytest.mark.parametrize(("rate", "momentum"), [(0.05, 0.0), (0.2, 0.0), (0.1, 0.9)])
def test_paths_are_torchs(rate, momentum):
    place = torch.tensor([3.4, 0.4], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([place], lr=rate, momentum=momentum)
    found = on_product((3.4, 0.4), rate, momentum, 20)
    for expected, loss in zip(found.places, found.losses, strict=True):
        value = (place.prod() - 1) ** 2 / 2
        np.testing.assert_allclose(expected, place.detach().numpy(), rtol=1e-9)
        assert loss == pytest.approx(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def test_sharpness_is_the_hessians_largest_eigenvalue():
    for u, v in ((3.4, 0.4), (1.0, 1.0), (-0.5, 2.0), (0.1, 0.1)):
        hessian = torch.autograd.functional.hessian(lambda p: (p.prod() - 1) ** 2 / 2, torch.tensor([u, v]).double())
        found = sharpness_of_product(np.array([u]), np.array([v]))
        assert found[0] == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item())


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_parabola_has_a_speed_limit(momentum):
    limit = 2 * (1 + momentum) / 5.0
    assert abs(on_parabola(5.0, 0.98 * limit, momentum, 2000)[-1]) < 1e-6
    fled = on_parabola(5.0, 1.02 * limit, momentum, 2000)
    assert len(fled) < 2000
    assert abs(fled[-1]) > FAR / 100


def test_a_valley_throws_what_is_a_little_too_fast_to_flatter_ground():
    sharp = on_product((3.4, 0.4), 0.2, 0.0, 200)
    assert sharp.sharpness[0] > 2 / 0.2 > sharp.sharpness[-1]
    assert sharp.losses.max() > 5 * sharp.losses[0]
    assert sharp.losses[-1] < 1e-9
    assert len(on_product((3.4, 0.4), 0.5, 0.0, 200).places) < 200


@pytest.mark.bad_input
@pytest.mark.parametrize(("rate", "momentum", "steps"), [(0.0, 0.0, 1), (0.1, 1.0, 1), (0.1, 0.0, -1)])
def test_descent_refuses_what_is_none(rate, momentum, steps):
    for descend in (lambda *given: on_product((1.0, 1.0), *given), lambda *given: on_parabola(1.0, *given)):
        with pytest.raises(ValueError, match=r"rate: got 0|momentum: got 1|steps: got -1"):
            descend(rate, momentum, steps)
    with pytest.raises(ValueError, match="sharpness: got 0"):
        on_parabola(0.0, 0.1, 0.0, 1)
