"""Explorer (b): batch norm of four numbers as a graph, forward and backward, with checks that go red."""

import dataclasses
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from ipywidgets import Widget
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from fpnlib.explore import Explorer, choice, number, slider
from fpnlib.explore.style import BLUE, FAINT, GREEN, INK, MUTED, RED
from fpnlib.notes.batch_norm.graph import (
    CONSTANT_MEAN,
    CONSTANT_STATISTICS,
    CONSTANT_VARIANCE,
    RIGHT,
    VARIANTS,
    Graph,
    forward_backward,
)
from fpnlib.ops import batch_norm_backward, batch_norm_forward

COUNT = 4
EPS = 1e-5
CHECKS = (
    "outputs",
    "gradient w.r.t. x",
    "gradient w.r.t. γ",
    "gradient w.r.t. β",
    "running variance",
    "gradients w.r.t. x sum to 0",
)
_COLUMNS = {"x": 0.0, "centered": 2.1, "normalized": 4.2, "y": 6.3}
_STATISTICS = {"mean": 0.35, "variance": 2.45, "inverse_std": 4.0}
_ROWS = (3.4, 2.6, 1.8, 1.0)
_LOW = -0.35  # height of the statistics


@dataclasses.dataclass(frozen=True)
class PassesData:
    """Every node's value and gradient as text would say them, and the outcome of every check."""

    variant: str
    values: dict[str, list[float | None]]  # None where there is no number
    grads: dict[str, list[float | None]]
    true_x_grad: list[float]
    running: float | None
    passed: list[bool]  # in the order of CHECKS


class PassesExplorer(Explorer[PassesData]):
    """The graph from x to y with a value and a gradient at each node, a wrong variant to choose, and checks."""

    title = "Batch norm of four numbers as a graph: the value and the gradient at every node, and six checks"
    size = (1000, 520)

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
        truth = _truth(x, weight, bias, grad)
        ours = (graph.y.value, graph.x.grad, graph.weight.grad, graph.bias.grad, graph.running_variance)
        allowed = _rounding(x, weight, grad)
        passed = [_close(a, b, most) for a, b, most in zip(ours, truth, allowed, strict=True)]
        passed.append(_close(graph.x.grad.double().sum(), torch.zeros(()), COUNT * allowed[1]))
        nodes = {field.name: getattr(graph, field.name) for field in dataclasses.fields(Graph)}
        running = nodes.pop("running_variance")
        return PassesData(
            variant=variant,
            values={name: _numbers(node.value) for name, node in nodes.items()},
            grads={name: _numbers(node.grad) for name, node in nodes.items()},
            true_x_grad=truth[1].tolist(),
            running=_numbers(running)[0],
            passed=passed,
        )

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Lay out nodes, edges and checks."""
        graph, checks = figure.subplots(1, 2, width_ratios=[3.3, 1])
        for axes in (graph, checks):
            axes.set_axis_off()
        graph.set(xlim=(-0.75, 7.05), ylim=(-1.65, 4.35))
        heads = {"x": "x", "centered": "x − mean", "normalized": "x̂", "y": "y = γ x̂ + β"}
        for name, at in _COLUMNS.items():
            graph.text(at, 4.05, heads[name], ha="center", fontsize=12, weight="bold", color=INK)
        heads = {"mean": "mean", "variance": "variance", "inverse_std": "1 / √(variance + ε)"}
        for name, at in _STATISTICS.items():
            graph.text(at, _LOW - 0.55, heads[name], ha="center", va="top", fontsize=10, weight="bold", color=INK)
        graph.text(6.3, _LOW - 0.55, "γ", ha="center", va="top", fontsize=10, weight="bold", color=INK)
        self._fixed_edges(graph)
        self._mean_edges = _edges(graph, _mean_edges())
        self._variance_edges = _edges(graph, _variance_edges())
        self._numbers: dict[str, list[tuple[Artist, Artist]]] = {}
        for name, at in _COLUMNS.items():
            self._numbers[name] = [_node(graph, at, row) for row in _ROWS]
        for name, at in (_STATISTICS | {"weight": 6.3}).items():
            self._numbers[name] = [_node(graph, at, _LOW)]
        graph.text(-0.7, -1.6, "value forward", color=BLUE, fontsize=10, weight="bold")
        graph.text(0.85, -1.6, "gradient backward", color=RED, fontsize=10, weight="bold")
        checks.set(xlim=(0, 1), ylim=(-1.65, 4.35))
        checks.text(0, 4.05, "Checked against torch", fontsize=11, weight="bold", color=INK)
        self._marks = []
        for i, name in enumerate(CHECKS):
            checks.text(0.16, 3.5 - 0.48 * i, name, va="center", fontsize=10, color=INK)
            self._marks.append(checks.text(0.0, 3.5 - 0.48 * i, "", va="center", fontsize=13, weight="bold"))
        checks.text(0, 0.35, "gradient w.r.t. x, ours and torch's", fontsize=9.5, color=MUTED)
        place = {"ha": "right", "va": "center", "fontsize": 10}
        self._pairs = [
            [checks.text(x, 0.02 - 0.34 * i, "", color=colour, **place) for x, colour in ((0.42, RED), (0.85, INK))]
            for i in range(COUNT)
        ]
        moving = [text for pairs in self._numbers.values() for pair in pairs for text in pair]
        return [self._mean_edges, self._variance_edges, *moving, *self._marks, *(t for p in self._pairs for t in p)]

    def draw(self, data: PassesData) -> None:
        """Write the numbers; an edge that carries no gradient is dotted and red."""
        for name, pairs in self._numbers.items():
            for (value, grad), *shown in zip(pairs, data.values[name], data.grads[name], strict=True):
                value.set_text(_say(shown[0]))
                grad.set_text(_say(shown[1]))
        _cut(self._mean_edges, data.variant in (CONSTANT_STATISTICS, CONSTANT_MEAN))
        _cut(self._variance_edges, data.variant in (CONSTANT_STATISTICS, CONSTANT_VARIANCE))
        for mark, passed in zip(self._marks, data.passed, strict=True):
            mark.set_text("✓" if passed else "✗")
            mark.set_color(GREEN if passed else RED)
        for (ours, true), *shown in zip(self._pairs, data.grads["x"], data.true_x_grad, strict=True):
            ours.set_text(_say(shown[0]))
            true.set_text(_say(shown[1]))

    def describe(self, data: PassesData) -> str:
        """Say the outputs, the gradients and which checks fail."""
        failed = [name for name, passed in zip(CHECKS, data.passed, strict=True) if not passed]
        verdict = f"Not equal to torch: {', '.join(failed)}." if failed else "All six checks pass."
        return (
            f"Derivation: {data.variant}. Mean {_say(data.values['mean'][0])}, variance "
            f"{_say(data.values['variance'][0])}, running variance of this batch {_say(data.running)}. "
            f"y = {_row(data.values['y'])}; gradient with respect to x = {_row(data.grads['x'])}, to γ = "
            f"{_say(data.grads['weight'][0])}, to β = {_say(data.grads['bias'][0])}.\n{verdict}"
        )

    def invariants(self, data: PassesData) -> dict[str, bool]:
        """Check that the right derivation is right, and that it is the library's."""
        held = {"the derivation passes all checks": data.variant != RIGHT or all(data.passed)}
        if data.variant == RIGHT:
            shown = (data.values["x"], data.grads["y"], data.values["weight"], [0.0])
            x, grad, weight, bias = (torch.tensor(numbers, dtype=torch.float64) for numbers in shown)
            graph = forward_backward(x, weight[0], bias[0], grad, eps=EPS)
            y, cache = batch_norm_forward(x[:, None], weight, bias, eps=EPS)
            dx, dweight, dbias = batch_norm_backward(grad[:, None], cache)
            pairs = ((y, graph.y.value), (dx, graph.x.grad), (dweight, graph.weight.grad), (dbias, graph.bias.grad))
            held["the graph is the library's derivation"] = all(
                torch.allclose(ours.flatten(), node.reshape(-1), rtol=1e-6, atol=1e-6) for ours, node in pairs
            )
        return held

    def _fixed_edges(self, graph: Axes) -> None:
        lines = []
        for row in _ROWS:
            for a, b in (("x", "centered"), ("centered", "normalized"), ("normalized", "y")):
                lines.append([(_COLUMNS[a] + 0.5, row), (_COLUMNS[b] - 0.5, row)])
        lines += [[(4.0, _LOW + 0.45), (4.15, 0.6)], [(6.3, _LOW + 0.45), (6.3, 0.6)]]
        graph.add_collection(LineCollection(lines, colors=FAINT, linewidths=1.5, zorder=0))


def _mean_edges() -> list[list[tuple[float, float]]]:
    return [[(0.05, 0.6), (0.3, _LOW + 0.45)], [(0.6, _LOW + 0.45), (1.85, 0.6)]]


def _variance_edges() -> list[list[tuple[float, float]]]:
    return [[(2.2, 0.6), (2.42, _LOW + 0.45)], [(2.95, _LOW), (3.5, _LOW)]]


def _edges(graph: Axes, lines: list[list[tuple[float, float]]]) -> LineCollection:
    return graph.add_collection(LineCollection(lines, linewidths=2.5, zorder=0))


def _cut(edges: LineCollection, cut: bool) -> None:
    edges.set_linestyle(":" if cut else "-")
    edges.set_color(RED if cut else MUTED)


def _node(graph: Axes, x: float, y: float) -> tuple[Artist, Artist]:
    place = {"ha": "center", "va": "center", "fontsize": 10}
    return (
        graph.text(x, y + 0.16, "", color=BLUE, weight="bold", **place),
        graph.text(x, y - 0.17, "", color=RED, **place),
    )


def _truth(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    """Output, the gradients with respect to x, γ and β, and the stored variance, by torch in double precision."""
    values, gamma, beta = leaves = [t.double().requires_grad_() for t in (x[:, None], weight[None], bias[None])]
    mean, variance = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    y = F.batch_norm(values, mean, variance, gamma, beta, training=True, momentum=1.0, eps=EPS)
    dx, dweight, dbias = torch.autograd.grad(y, leaves, grad.double()[:, None])
    return y.detach()[:, 0], dx[:, 0], dweight[0], dbias[0], variance[0]


def _rounding(x: Tensor, weight: Tensor, grad: Tensor) -> tuple[float, ...]:
    """How far each result may be off because single precision has so few digits, in the order of `_truth`."""
    step = float(x.abs().max()) * torch.finfo(x.dtype).eps + 1e-6
    centered = (x.double() - x.double().mean()).abs().max().item()
    slope = float((x.double().var(correction=0) + EPS) ** -0.5)
    gain, upstream = abs(float(weight)), grad.abs().sum().item()
    y = 8 * step * slope + 1e-5
    dx = gain * upstream * slope * y
    return gain * y + 1e-5, 4 * dx + 1e-5, upstream * y + 1e-5, 1e-5, 8 * step * (centered + step) + 1e-5


def _close(ours: Tensor, truth: Tensor, most: float) -> bool:
    return bool(((ours.double() - truth.double()).abs() <= most).all())  # not a number is not close


def _numbers(values: Tensor) -> list[float | None]:
    return [v if v - v == 0 else None for v in values.reshape(-1).tolist()]


def _say(value: float | None) -> str:
    if value is None:
        return "NaN"
    return number(0.0 if abs(value) < 5e-4 else value, 4 if abs(value) >= 1000 else 3)


def _row(values: list[float | None]) -> str:
    return "(" + ", ".join(map(_say, values)) + ")"
