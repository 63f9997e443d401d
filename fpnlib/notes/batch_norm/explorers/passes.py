"""Batch norm of four numbers as a graph, forward and backward, with checks that go red."""

import dataclasses

import torch
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, choice, slider
from fpnlib.explore.style import GREEN, MUTED, RED
from fpnlib.notes.batch_norm.experiments.graph import (
    CHECKS,
    RIGHT,
    VARIANTS,
    Graph,
    checked,
    forward_backward,
    is_the_librarys,
)
from fpnlib.notes.batch_norm.explorers.passes_graph import HEIGHTS, cells, graph_panel, say

COUNT = 4
EPS = 1e-5


@dataclasses.dataclass(frozen=True)
class PassesData:
    """Every node's value and gradient as text would say them, and the outcome of every check."""

    variant: str
    given: dict[str, float]  # by the sliders
    values: dict[str, list[float | None]]  # None where there is no number
    grads: dict[str, list[float | None]]
    true_x_grad: list[float]
    running: float | None
    passed: list[bool]  # in the order of CHECKS


class PassesExplorer(Explorer[PassesData]):
    """The graph from x to y with a value and a gradient at each node, a wrong variant to choose, and checks."""

    title = "Batch norm of four numbers as a graph: the value and the gradient at every node, and six checks"
    size = (1000, 520)
    groups = tuple(
        (title, tuple(f"{letter}{place + 1}" for place in range(COUNT)))
        for title, letter in (("the batch", "x"), ("gradients from above", "g"))
    )

    def make_controls(self) -> dict[str, Widget]:
        """Return the batch, the gradient that comes from above, γ, and which derivation to follow."""
        batch, grads = (-1.0, 0.5, 2.0, 0.1), (1.0, 0.0, 0.0, 0.0)
        return {
            **{f"x{i}": slider(f"x{i}", batch[i - 1], -3.0, 3.0, 0.1) for i in range(1, COUNT + 1)},
            **{f"g{i}": slider(f"gradient at y{i}", grads[i - 1], -2.0, 2.0, 0.1) for i in range(1, COUNT + 1)},
            "gamma": slider("γ", 1.0, -2.0, 2.0, 0.1),
            "shift": choice("added to all x", (0, 100, 5000)),
            "variant": choice("derivation", VARIANTS),
        }

    def compute(self, gamma: float, shift: int, variant: str, **state: float) -> PassesData:
        """Go through the graph in single precision; compare with torch's own layer in double precision."""
        x = torch.tensor([state[f"x{i}"] + shift for i in range(1, COUNT + 1)])
        grad = torch.tensor([state[f"g{i}"] for i in range(1, COUNT + 1)])
        weight, bias = torch.tensor(gamma), torch.tensor(0.0)
        graph = forward_backward(x, weight, bias, grad, eps=EPS, variant=variant)
        passed, true_x_grad = checked(graph, eps=EPS)
        nodes = {field.name: getattr(graph, field.name) for field in dataclasses.fields(Graph)}
        running = nodes.pop("running_variance")
        return PassesData(
            variant=variant,
            given={"gamma": gamma, **state},
            values={name: _numbers(node.value) for name, node in nodes.items()},
            grads={name: _numbers(node.grad) for name, node in nodes.items()},
            true_x_grad=true_x_grad,
            running=_numbers(running)[0],
            passed=passed,
        )

    def build(self, figure: Figure) -> None:
        """Lay out the graph and the checks."""
        left, right = figure.subplots(1, 2, width_ratios=[3.3, 1])
        graph_panel(self, left)
        checks = self.panel(right, xlim=(0, 1), ylim=HEIGHTS)
        right.set_axis_off()
        checks.text("Checked against torch", 0, 4.05, fontsize=11, weight="bold")
        rows = [3.5 - 0.48 * i for i in range(len(CHECKS))]
        for name, row in zip(CHECKS, rows, strict=True):
            checks.text(name, 0.16, row, va="center")
        look = {"fontsize": 13, "weight": "bold"}
        checks.table(lambda data: [["✓" * passed] for passed in data.passed], (0.1,), rows, color=GREEN, **look)
        checks.table(lambda data: [["✗" * (not passed)] for passed in data.passed], (0.1,), rows, color=RED, **look)
        checks.text("gradient w.r.t. x, ours and torch's", 0, 0.35, fontsize=9.5, color=MUTED)
        rows = [0.02 - 0.34 * i for i in range(COUNT)]
        checks.table(lambda data: cells(data.grads, ["x"]), (0.42,), rows, color=RED)
        checks.table(lambda data: [[say(value)] for value in data.true_x_grad], (0.85,), rows)

    def describe(self, data: PassesData) -> str:
        """Say the outputs, the gradients and which checks fail."""
        failed = [name for name, passed in zip(CHECKS, data.passed, strict=True) if not passed]
        verdict = f"Not equal to torch: {', '.join(failed)}." if failed else "All six checks pass."
        return (
            f"Derivation: {data.variant}. Mean {say(data.values['mean'][0])}, variance "
            f"{say(data.values['variance'][0])}, running variance of this batch {say(data.running)}. "
            f"y = {_row(data.values['y'])}; gradient with respect to x = {_row(data.grads['x'])}, to γ = "
            f"{say(data.grads['weight'][0])}, to β = {say(data.grads['bias'][0])}.\n{verdict}"
        )

    def invariants(self, data: PassesData) -> dict[str, bool]:
        """Check that the right derivation is right, and that it is the library's."""
        held = {"the derivation passes all checks": data.variant != RIGHT or all(data.passed)}
        if data.variant == RIGHT:
            shown = (data.values["x"], data.grads["y"], data.values["weight"])
            held["the graph is the library's derivation"] = is_the_librarys(*map(torch.tensor, shown), eps=EPS)
        return held


def _numbers(values: Tensor) -> list[float | None]:
    return [v if v - v == 0 else None for v in values.reshape(-1).tolist()]


def _row(values: list[float | None]) -> str:
    return "(" + ", ".join(map(say, values)) + ")"
