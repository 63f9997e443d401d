"""One way to refuse bad input: say which argument, what came, and what is allowed."""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def require(condition: bool, argument: str, got: object, allowed: str) -> None:
    """Raise a ValueError naming `argument`, what it `got` and what is `allowed`, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{argument}: got {got}, allowed: {allowed}")


def require_choice(argument: str, got: object, choices: Collection[object]) -> None:
    """Raise a ValueError unless `got` is one of `choices`."""
    require(got in choices, argument, repr(got), ", ".join(map(repr, choices)))


def require_finite(argument: str, values: "Tensor") -> None:
    """Raise a ValueError that counts the NaN and infinite entries of `values`, if there are any."""
    if values.sum().isfinite():  # then no entry is NaN or infinite; a sum is soon made
        return
    bad = int((~values.isfinite()).sum())
    require(bad == 0, argument, f"{bad} NaN or infinite of {values.numel()} values", "finite numbers")
