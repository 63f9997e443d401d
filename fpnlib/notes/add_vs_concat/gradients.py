"""How far a gradient travels: down a deep stack of blocks, and back along a sequence."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Criterion, Measurement, Said, Verdict, exceeds
from fpnlib.data import photo
from fpnlib.models import LSTMCell, Stack
from fpnlib.models.stacks import SKIPS, Init, Skip
from fpnlib.notes.add_vs_concat.digits import digits

DEPTHS = (1, 2, 5, 10, 20, 30, 40, 50, 60)
STARTS = ("torch", "he", "norm")  # torch's initial weights, He's, and torch's with batch norm in each block
LAGS = (1, 2, 5, 10, 20, 50, 100, 150, 200)
FORGETS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
FORGET_BIAS = 3.0  # a forget gate that begins at σ(3) ≈ .95
WIDTH, HIDDEN = 8, 32
_IMAGES, _ROWS = 4, 8
_SMALLEST = 1e-300  # below this a double is as good as nothing


def make_stack(seed: int, skip: Skip, start: str, depth: int, scale: float = 0.5) -> tuple[nn.Module, Stack]:
    """A 3×3 that lifts a digit to `WIDTH` channels, and a stack on top. Kernels of equal shape are equal over skips."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stem = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False).double()
        init: Init = "he" if start == "he" else "torch"
        return stem, Stack(depth, WIDTH, skip, scale=scale, norm=start == "norm", init=init).double()


def depth_gradients(seed: int, skip: Skip, start: str) -> Float[Tensor, " depths"]:
    """Norm of the loss's gradient at the first block's kernel, for stacks of `DEPTHS` blocks.

    One stack of 60 blocks is read after 1, 2, 3, … of them, each time by a head of its own: mean over the map, then a
    linear layer. The loss is the cross-entropy of real digits. So shallow and deep stacks share their first weights.
    """
    pixels, labels = digits()
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1000 + seed))[:_IMAGES]
    stem, stack = make_stack(seed, skip, start, DEPTHS[-1])
    states = stack.states(stem(pixels[chosen].view(-1, 1, 8, 8)))
    kernel = stack.get_parameter("blocks.0.2.weight")
    norms = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2000 + seed)
        for depth in DEPTHS:
            pooled = states[depth - 1].mean((2, 3))
            loss = F.cross_entropy(nn.Linear(pooled.shape[1], 10).double()(pooled), labels[chosen])
            norms.append(torch.autograd.grad(loss, kernel, retain_graph=True)[0].norm())
    return torch.stack(norms)


def depth_decades(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Decades by which the gradient changes from one block to `DEPTHS`, for each skip and start."""
    rows = []
    for seed in seeds:
        row: dict[str, float] = {}
        for start in STARTS:
            for skip in SKIPS:
                decades = (depth_gradients(seed, skip, start).clamp(min=_SMALLEST)).log10()
                for depth, change in zip(DEPTHS[1:], (decades - decades[0])[1:].tolist(), strict=True):
                    row[f"{start}_{skip}_{depth}"] = change
        deepest = DEPTHS[-1]
        row["effect"] = abs(row[f"torch_plain_{deepest}"]) - abs(row[f"torch_residual_{deepest}"])
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _judge_depth(measurement: Measurement) -> Verdict:
    moved = {start: abs(measurement.numbers[f"{start}_residual_{DEPTHS[-1]}"]) for start in STARTS}
    first = exceeds(3, "").judge(measurement)
    if first != "holds" or moved["torch"] >= 3:
        return "fails" if first == "holds" else first
    return "holds" if max(moved.values()) < 3 else "depends"


@functools.cache
def scanlines() -> Float[Tensor, "rows columns 3"]:
    """Rows of real photos as sequences of colours, mean 0 and standard deviation 1."""
    photos = [torch.from_numpy(photo(name)[:, : LAGS[-1] + 1].copy()) for name in ("coffee", "chelsea", "china")]
    rows = torch.cat(photos).double()
    return (rows - rows.mean()) / rows.std()


def lag_gradients(seed: int, cell: nn.Module, cells: int = 1) -> Float[Tensor, "lags cells"]:
    """Norm of the gradient of a random reading of the last output at the input `LAGS` steps earlier.

    The inputs are rows of real photos, pixel by pixel. `cells`: how many forget gates the cell tries at once.
    """
    generator = torch.Generator().manual_seed(3000 + seed)
    rows = scanlines()
    chosen = rows[torch.randint(len(rows), (_ROWS,), generator=generator)]
    x = chosen.transpose(0, 1)[:, None].expand(-1, cells, -1, -1).flatten(1, 2).clone().requires_grad_()
    reading = F.normalize(torch.randn(HIDDEN, generator=generator, dtype=torch.float64), dim=0)
    (gradient,) = torch.autograd.grad((last_output(cell, x) @ reading).sum(), x)
    at = gradient[[len(x) - 1 - lag for lag in LAGS]]
    return at.view(len(LAGS), cells, -1).norm(dim=2)


def last_output(cell: nn.Module, x: Float[Tensor, "steps n inputs"]) -> Float[Tensor, "n hidden"]:
    """What a recurrent cell puts out after the last step, from a state of zeros."""
    state: Any = None
    for step in x:
        state = cell(step, state)
    return state[0] if isinstance(state, tuple) else state


def make_cells(seed: int) -> dict[str, tuple[nn.Module, int]]:
    """The cells that AC-9 compares, by name, each with the number of forget gates it tries at once.

    All LSTM cells of a seed have the same weights; only the forget gate, or its bias, differs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rnn, lstm = nn.RNNCell(3, HIDDEN).double(), LSTMCell(3, HIDDEN).double()
    gates = torch.tensor(FORGETS, dtype=torch.float64).repeat_interleave(_ROWS)[:, None]
    forced, biased = (LSTMCell(3, HIDDEN, forget=forget).double() for forget in (gates, None))
    for cell in (forced, biased):
        cell.load_state_dict(lstm.state_dict())
    with torch.no_grad():
        biased.get_parameter("bias_ih")[HIDDEN : 2 * HIDDEN] += FORGET_BIAS
    return {"rnn": (rnn, 1), "lstm": (lstm, 1), "biased": (biased, 1), "forced": (forced, len(FORGETS))}


def lag_decades(seeds: Sequence[int]) -> dict[str, list[float]]:
    """Decades by which the gradient changes from lag 1 to `LAGS`: RNN, LSTM, forget gate biased and forced."""
    rows = []
    for seed in seeds:
        row: dict[str, float] = {}
        for name, (cell, cells) in make_cells(seed).items():
            decades = lag_gradients(seed, cell, cells).clamp(min=_SMALLEST).log10()
            names = [f"forget_{round(100 * f)}" for f in FORGETS] if name == "forced" else [name]
            for one, change in zip(names, (decades - decades[0])[1:].T.tolist(), strict=True):
                row |= {f"{one}_{lag}": value for lag, value in zip(LAGS[1:], change, strict=True)}
        row["effect"] = row[f"forget_100_{LAGS[-1]}"] - row[f"rnn_{LAGS[-1]}"]
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _judge_lag(measurement: Measurement) -> Verdict:
    at = {name: measurement.numbers[f"{name}_{LAGS[-1]}"] for name in ("forget_100", "forget_0", "rnn", "lstm")}
    first = exceeds(6, "").judge(measurement)
    if first != "holds" or abs(at["forget_100"]) >= 1 or at["forget_0"] > -6:
        return "fails" if first == "holds" else first
    return "holds" if at["lstm"] > at["rnn"] + 6 else "depends"


CLAIMS = (
    Claim(
        "AC-8",
        "ResNet's add keeps the identity, so gradients travel.",
        Said(
            "source",
            "add主要是为了保持mapping的identity性质,使梯度回传得更加容易",
            "the add is mainly there to keep the mapping an identity, so that gradients travel back more easily",
        ),
        {
            "": Criterion(
                "from 1 to 60 blocks, at torch's initial weights, the gradient at the first kernel changes by more "
                "than 3 decades more in plain stacks than in residual ones (whole interval), and in these by less "
                "than 3; depends if residual stacks change by 3 or more from He's weights or with batch norm",
                _judge_depth,
            )
        },
        depth_decades,
        seeds=16,
    ),
    Claim(
        "AC-9",
        "The LSTM's cell state is the same trick.",
        Said(
            "source",
            "同样的操作在LSTM[5]里的cell state也能看到",
            "the same operation can be seen in the LSTM's cell state",
        ),
        {
            "": Criterion(
                "from lag 1 to 200 the gradient falls by more than 6 decades more in an RNN than in an LSTM whose "
                "forget gate is held open (whole interval), open it changes by less than 1, shut it falls by more "
                "than 6; depends if an LSTM at torch's initial weights, its gate free, keeps no more than 6 decades "
                "more than the RNN",
                _judge_lag,
            )
        },
        lag_decades,
        seeds=16,
    ),
)
