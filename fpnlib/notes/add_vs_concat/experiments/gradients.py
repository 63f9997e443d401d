"""How far a gradient travels: down a deep stack of blocks, and back along a sequence."""

import functools
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.claims import Claim, Said, all_of, exceeds, stays_within, within
from fpnlib.data import photo
from fpnlib.models import LSTMCell, Stack
from fpnlib.models.stacks import SKIPS, Init, Skip
from fpnlib.notes.add_vs_concat.experiments.digits import digits

DEPTHS = (1, 2, 5, 10, 20, 30, 40, 50, 60)
# Torch's initial weights, He's, He's with each branch divided by √60, and torch's with batch norm in each block.
SHALLOW = 40  # with more blocks and batch norm the last digit of a weight moves the gradient by per cents
STARTS = ("torch", "he", "branch", "norm")
LAGS = (1, 2, 5, 10, 20, 50, 100, 150, 200)
FORGETS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
FORGET_BIAS = 3.0  # a forget gate that begins at σ(3) ≈ .95
BURN_IN = 199  # steps before the furthest lag, so that no lag reaches the row's first pixel, where all states are 0
WIDTH, HIDDEN = 8, 32
_IMAGES, _ROWS, _SIDE = 4, 8, 8
_CAROUSEL = 1e-12  # relative
_RATES = "without batch norm note 06's nets come near their best over one decade of rates or less"


def make_stack(seed: int, skip: Skip, start: str, depth: int, scale: float = 0.5) -> tuple[nn.Module, Stack]:
    """A 3×3 that lifts a digit to `WIDTH` channels, and a stack on top. Kernels of equal shape are equal over skips."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stem = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False).double()
        init: Init = "he" if start in ("he", "branch") else "torch"
        stack = Stack(depth, WIDTH, skip, scale=scale, norm=start == "norm", init=init).double()
    if start == "branch":
        with torch.no_grad():
            for kernel in stack.parameters():
                kernel.div_(DEPTHS[-1] ** 0.5)
    return stem, stack


def expected_decades(skip: Skip, start: str, blocks: int) -> float:
    """Decades over so many blocks by the product of gains, worked out before anything is run.

    A block keeps, of the mean square of what goes through it, g = n · variance of a weight / 2: n weights, of which the
    ReLU shuts half. Torch's start has g = 1/6, He's 1, and the zeros around an 8×8 map take a share of both. What a
    plain block hands on is g times as large, what a residual one hands on 1 + g times.
    """
    inside = ((3 * _SIDE - 2) / (3 * _SIDE)) ** 2  # of a 3×3 kernel's places, over all places of the map
    gain = inside * {"torch": 1 / 6, "he": 1.0, "branch": 1 / DEPTHS[-1]}[start]
    return blocks * math.log10(gain if skip == "plain" else 1 + gain) / 2


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
    """Decades by which the gradient changes from one block to `DEPTHS`, for each skip and start.

    `<start>_lost_less` is by how much less residual stacks change than plain ones; `…_gap` how far a stack of 60 is
    from the product of its gains.
    """
    rows = []
    for seed in seeds:
        row: dict[str, float] = {}
        for start in STARTS:
            for skip in SKIPS:
                decades = depth_gradients(seed, skip, start).log10()
                for depth, change in zip(DEPTHS[1:], (decades - decades[0])[1:].tolist(), strict=True):
                    row[f"{start}_{skip}_{depth}"] = change
        deepest = DEPTHS[-1]
        for start in STARTS:
            plain = row[
                f"{'he' if start == 'branch' else start}_plain_{deepest}"
            ]  # a plain stack has no branch to tame
            row[f"{start}_lost_less"] = abs(plain) - abs(row[f"{start}_residual_{deepest}"])
        for start in ("torch", "he"):
            for skip in ("plain", "residual"):
                row[f"{start}_{skip}_gap"] = row[f"{start}_{skip}_{deepest}"] - expected_decades(
                    skip, start, deepest - 1
                )
        row["effect"] = row["torch_lost_less"]
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def shallow_decades(seeds: Sequence[int]) -> dict[str, list[float]]:
    """The outcomes of `depth_decades` of up to `SHALLOW` blocks."""
    names = [f"{start}_{skip}_{depth}" for start in STARTS for skip in SKIPS for depth in DEPTHS[1:]]
    found = depth_decades(seeds)
    return {name: found[name] for name in names if int(name.rpartition("_")[2]) <= SHALLOW}


@functools.lru_cache(maxsize=32)
def gradient_per_block(skip: Skip, start: str, scales: tuple[float, ...] = (0.5,)) -> Float[np.ndarray, "s blocks"]:
    """Decades of the loss's gradient at the input of each of 60 blocks, against the last block's, which comes first.

    One net of seed 0 on two digits, for all `scales` of a scaled skip at once.
    """
    pixels, labels = digits()
    stem, stack = make_stack(0, skip, start, DEPTHS[-1])

    def states(scale: Any, x: Tensor) -> list[Tensor]:
        stack.scale = scale
        return stack.states(x)

    x = stem(pixels[:2].view(-1, 1, 8, 8)).detach().expand(len(scales), -1, -1, -1, -1).clone().requires_grad_()
    after = torch.vmap(states)(torch.tensor(scales, dtype=torch.float64), x)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = nn.Linear(after[-1].shape[2], 10).double()
    # The mean is over all scales' digits, which no ratio of gradients notices.
    loss = F.cross_entropy(head(after[-1].mean((3, 4))).flatten(0, 1), labels[:2].repeat(len(scales)))
    norms = torch.stack([one.flatten(1).norm(dim=1) for one in torch.autograd.grad(loss, [x, *after[:-1]])], 1)
    decades = norms.log10().flip(1)
    return (decades - decades[:, :1]).numpy()


@functools.cache
def scanlines() -> Float[Tensor, "rows columns 3"]:
    """Rows of real photos as sequences of colours, mean 0 and standard deviation 1; `BURN_IN` steps and the lags."""
    steps = BURN_IN + LAGS[-1] + 1
    photos = [torch.from_numpy(photo(name)[:, :steps].copy()) for name in ("coffee", "chelsea", "china")]
    rows = torch.cat(photos).double()
    return (rows - rows.mean()) / rows.std()


def log_norm(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """log₁₀ of the length along the last axis, also where the squares would be too small for a double."""
    largest = values.abs().amax(-1, keepdim=True).clamp(min=1e-300)
    return (largest.log10() + (values / largest).norm(dim=-1, keepdim=True).clamp(min=1e-300).log10()).squeeze(-1)


def lag_gradients(seed: int, cell: nn.Module, cells: int = 1) -> Float[Tensor, "lags cells"]:
    """log₁₀ of the gradient of a random reading of the last output with respect to the input `LAGS` steps earlier.

    The inputs are rows of real photos, pixel by pixel. `cells`: how many forget gates the cell tries at once.
    """
    x, reading = _rows_and_reading(seed)
    x = x[:, None].expand(-1, cells, -1, -1).flatten(1, 2).clone().requires_grad_()
    (gradient,) = torch.autograd.grad((last_output(cell, x) @ reading).sum(), x)
    at = gradient[[len(x) - 1 - lag for lag in LAGS]]
    return log_norm(at.view(len(LAGS), cells, -1))


def _rows_and_reading(seed: int) -> tuple[Float[Tensor, "steps n 3"], Float[Tensor, " hidden"]]:
    generator = torch.Generator().manual_seed(3000 + seed)
    rows = scanlines()
    chosen = rows[torch.randint(len(rows), (_ROWS,), generator=generator)]
    return chosen.transpose(0, 1), F.normalize(torch.randn(HIDDEN, generator=generator, dtype=torch.float64), dim=0)


def carousel_gap(cell: LSTMCell, x: Float[Tensor, "steps n 3"]) -> float:
    """How far ∂c_T/∂c_0 is from the product of the forget gates, relative, when the gates' own inputs are constants."""
    first = c = x.new_zeros(x.shape[1], cell.hidden_size).requires_grad_()
    h, product = first.detach(), torch.ones_like(first)
    for step in x:
        gates = cell.gates(step, h)
        c = gates.forget * c + gates.input * gates.content
        h = (gates.output * c.tanh()).detach()
        product = product * gates.forget.detach()
    (gradient,) = torch.autograd.grad(c.sum(), first)
    return (gradient / product - 1).abs().max().item()


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
        made = make_cells(seed)
        for name, (cell, cells) in made.items():
            decades = lag_gradients(seed, cell, cells)
            names = [f"forget_{round(100 * f)}" for f in FORGETS] if name == "forced" else [name]
            for one, change in zip(names, (decades - decades[0])[1:].T.tolist(), strict=True):
                row |= {f"{one}_{lag}": value for lag, value in zip(LAGS[1:], change, strict=True)}
        x, _ = _rows_and_reading(seed)
        opened = LSTMCell(3, HIDDEN, forget=1.0).double()
        opened.load_state_dict(made["lstm"][0].state_dict())
        free = cast(LSTMCell, made["lstm"][0])
        row["carousel_gap"] = max(carousel_gap(cell, x[-LAGS[-1] :]) for cell in (free, opened))
        row |= {f"{one}_lost": -row[f"{one}_{LAGS[-1]}"] for one in ("rnn", "forget_0", "lstm")}
        row["effect"] = row[f"forget_100_{LAGS[-1]}"]
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


@functools.cache
def gradients_per_lag() -> dict[str, np.ndarray]:
    """Decades against lag 1 at all lags, for eight rows: `forced` (101, 200), gates by lags; `lstm`, `rnn` (200,)."""
    cells, gates = make_cells(0), torch.arange(101, dtype=torch.float64) / 100
    rows = scanlines()[0:400:50]
    forced, _ = cells["forced"]
    forced.forget = gates.repeat_interleave(len(rows))[:, None]
    found = {}
    for name, (cell, count) in {"forced": (forced, len(gates)), "lstm": cells["lstm"], "rnn": cells["rnn"]}.items():
        x = rows.transpose(0, 1)[:, None].expand(-1, count, -1, -1).flatten(1, 2).clone().requires_grad_()
        reading = torch.full((HIDDEN,), HIDDEN**-0.5, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((last_output(cell, x) @ reading).sum(), x)
        decades = log_norm(gradient.view(len(x), count, -1)).flip(0)[1 : LAGS[-1] + 1].T
        found[name] = (decades - decades[:, :1]).numpy()
    return {"forced": found["forced"], "lstm": found["lstm"][0], "rnn": found["rnn"][0]}


_GAP = "decades from the product of gains"
CLAIMS = (
    Claim(
        "AC-8",
        "ResNet's add keeps the mapping an identity, so that gradients travel back more easily.",
        Said(
            "source",
            "add主要是为了保持mapping的identity性质,使梯度回传得更加容易",
            "the add is mainly there to keep the mapping an identity, so that gradients travel back more easily",
        ),
        {
            words: exceeds(
                1,
                "decades that the first kernel's gradient changes more over 59 plain blocks than over residual ones",
                of=f"{start}_lost_less",
                because=_RATES,
            )
            for start, words in (
                ("torch", "at torch's initial weights"),
                ("norm", "with batch norm in each block"),
                ("branch", "at He's, with each branch divided by √60"),
                ("he", "at He's, with whole branches"),
            )
        },
        depth_decades,
        seeds=16,
        recheck=shallow_decades,
        control=all_of(
            *(
                stays_within(1, f"{_GAP}, {skip}, {words}", of=f"{start}_{skip}_gap", because=_RATES)
                for start, words in (("torch", "torch's weights"), ("he", "He's"))
                for skip in ("plain", "residual")
            )
        ),
        told={
            "depends": "A skip that is an identity lets the gradient through whole, but what the branches add to it at "
            "each block must be kept small: by small weights, by batch norm, or by a factor."
        },
    ),
    Claim(
        "AC-9",
        "The same operation can be seen in the LSTM's cell state.",
        Said(
            "source",
            "同样的操作在LSTM[5]里的cell state也能看到",
            "the same operation can be seen in the LSTM's cell state",
        ),
        {
            "for the operation: along the cell state a gradient is multiplied by the forget gates alone": within(
                _CAROUSEL,
                "∂c/∂c over 200 steps, from the product of the gates, free or open,",
                of="carousel_gap",
            ),
            "for all paths together, with the gate held open": stays_within(
                1,
                "decades by which the gradient changes from lag 1 to lag 200, after 199 steps of burn-in",
                because=_RATES,
            ),
        },
        lag_decades,
        seeds=16,
        control=all_of(
            exceeds(1, "decades that an RNN loses from lag 1 to lag 200", of="rnn_lost", because=_RATES),
            exceeds(1, "decades that an LSTM with its gate held shut loses", of="forget_0_lost", because=_RATES),
        ),
        told={
            "holds": "An LSTM's cell state is added to, as a ResNet's features are: with the forget gate open, a "
            "gradient comes back through two hundred steps nearly as large as through one."
        },
    ),
)
