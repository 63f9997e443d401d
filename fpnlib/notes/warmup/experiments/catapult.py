"""Gradient descent with momentum on two losses of which everything is known: ½λx² and ½(uv − 1)²."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fpnlib.validation import require

FAR = 1e6
"""A path that is so far from 0 has diverged; it ends there."""


class Path(NamedTuple):
    """Places after each step, the loss there, and the largest eigenvalue of the Hessian."""

    places: Float[np.ndarray, "moments 2"]
    losses: Float[np.ndarray, " moments"]
    sharpness: Float[np.ndarray, " moments"]


def descend(
    gradient: Callable[[np.ndarray], np.ndarray], start: Sequence[float], rate: float, momentum: float, steps: int
) -> Float[np.ndarray, "moments n"]:
    """Places after each step of gradient descent with momentum, as torch's SGD does; a path that diverges ends before.

    Raises:
        ValueError: a rate that is not positive, momentum outside 0 to 1, negative steps.
    """
    require(rate > 0, "rate", rate, "above 0")
    require(0 <= momentum < 1, "momentum", momentum, "0 to 1, 1 left out")
    require(steps >= 0, "steps", steps, "0 or more")
    place = np.array(start, float)
    places, velocity = [place], np.zeros_like(place)
    for _ in range(steps):
        velocity = momentum * velocity + gradient(place)
        place = place - rate * velocity
        if np.abs(place).max() > FAR:
            break
        places.append(place)
    return np.stack(places)


def on_product(start: tuple[float, float], rate: float, momentum: float, steps: int) -> Path:
    """Descend ½(uv − 1)² from u, v; errors as `descend`.

    Its valley is the curve uv = 1, where the sharpness is u² + v²: least, 2, at u = v = 1.

    Source: Lewkowycz et al., "The large learning rate phase of deep learning: the catapult mechanism" (2020).
    """
    places = descend(lambda place: (place.prod() - 1) * place[::-1], start, rate, momentum, steps)
    u, v = places.T
    return Path(places, (u * v - 1) ** 2 / 2, sharpness_of_product(u, v))


def sharpness_of_product(u: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The largest eigenvalue of the Hessian ((v², 2uv − 1), (2uv − 1, u²)) of ½(uv − 1)²."""
    return (u**2 + v**2) / 2 + np.hypot((u**2 - v**2) / 2, 2 * u * v - 1)


def on_parabola(sharpness: float, rate: float, momentum: float, steps: int) -> Float[np.ndarray, " moments"]:
    """x after each step of descent on ½ sharpness x², from 1; errors as `descend`, and for a sharpness of 0 or less."""
    require(sharpness > 0, "sharpness", sharpness, "above 0")
    return descend(lambda x: sharpness * x, [1.0], rate, momentum, steps)[:, 0]
