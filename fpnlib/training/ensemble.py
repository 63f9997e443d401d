"""Many models trained at once: the same net from other seeds, or with other learning rates, as one stack.

The members' parameters are stacked along a new first dimension and one `vmap` runs all of them, so that a layer of all
members is one operation: batched matrix products, grouped convolutions. What that saves is the fixed cost of many small
operations; arithmetic is not saved.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map

from fpnlib.training.batches import Batches
from fpnlib.training.loop import Loss
from fpnlib.training.memory import keep_freed_memory
from fpnlib.training.progress import ProgressCallback, reporting
from fpnlib.validation import require, require_choice

OPTIMIZERS = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq")}
RANDOMNESS = ("different", "same", "error")

_KEPT = 2**29  # bytes for the backward pass

InDims = int | None | tuple[int | None, ...]


class Ensemble:
    """n models of one architecture, trained side by side; each as if it were alone with `torch.optim`.

    A loss is `loss(model, *batch)` as in `train`: there the model is one member, and its methods may be called too.

    A member whose loss or gradient is not finite has diverged: its parameters stay as they were before that step, its
    later losses are nan, and the others do not notice.

    A model must be one that `torch.vmap` can run: no branch on a tensor's value. So with `momentum=None` take
    `fpnlib.models.BatchNorm2d`, not torch's.

    Args:
        build: makes one model; called once for each seed, with torch's random numbers seeded by it.
        seeds: one for each member; the same seed may stand with several learning rates.
        optimizer: "sgd" or "adam", with `torch.optim`'s equations.
        learning_rate: one number, or one for each member, (n,).
        momentum: SGD's.
        nesterov: SGD's.
        weight_decay: added to the gradient, weight_decay · parameter, as `torch.optim.SGD` and `Adam` do.
        betas: Adam's.
        eps: Adam's.
        randomness: of dropout and the like, `torch.vmap`'s: "different" or "same" over members, or "error".
        chunk_size: how many members one `vmap` runs. None: chosen at the first step, as many as keep at most half a
            gigabyte for the backward pass.

    Errors: ValueError for no seeds, models that differ in architecture, unknown names, numbers out of range.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        seeds: Sequence[int],
        *,
        optimizer: str = "sgd",
        learning_rate: float | Float[Tensor, " n"],
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        randomness: str = "different",
        chunk_size: int | None = None,
    ) -> None:
        require(len(seeds) > 0, "seeds", "none", "one or more")
        require_choice("optimizer", optimizer, OPTIMIZERS)
        require_choice("randomness", randomness, RANDOMNESS)
        require(momentum >= 0, "momentum", momentum, "0 or more")
        require(not nesterov or momentum > 0, "nesterov", nesterov, "only with a momentum")
        require(weight_decay >= 0, "weight_decay", weight_decay, "0 or more")
        require(all(0 <= beta < 1 for beta in betas), "betas", betas, "two numbers of at least 0 and below 1")
        require(eps >= 0, "eps", eps, "0 or more")
        require(chunk_size is None or chunk_size >= 1, "chunk_size", chunk_size, "1 or more, or None")
        self.seeds = tuple(seeds)
        models = []
        for seed in self.seeds:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                models.append(build())
        shapes = {str([(key, tuple(value.shape)) for key, value in model.state_dict().items()]) for model in models}
        require(len(shapes) == 1, "build", f"{len(shapes)} architectures", "the same one for every seed")
        self._model = models[0]
        self._evaluated = copy.deepcopy(models[0]).eval()
        # Plain tensors, changed in place; each step takes its leaves from them.
        stacked, self.buffers = stack_module_state(models)
        self.parameters: dict[str, Tensor] = {name: value.detach() for name, value in stacked.items()}
        self._trained = [name for name, value in stacked.items() if value.requires_grad]
        self.learning_rate = self._per_member("learning_rate", learning_rate)
        require(bool((self.learning_rate >= 0).all()), "learning_rate", learning_rate, "0 or more")
        self.optimizer, self.momentum, self.nesterov, self.weight_decay = optimizer, momentum, nesterov, weight_decay
        self.betas, self.eps, self.randomness, self.chunk_size = betas, eps, randomness, chunk_size
        self.optimizer_state: dict[str, dict[str, Tensor]] = {
            state: {name: torch.zeros_like(self.parameters[name]) for name in self._trained}
            for state in OPTIMIZERS[optimizer]
        }
        self.alive: Bool[Tensor, " n"] = torch.ones(len(self), dtype=torch.bool)
        self._losses: list[Tensor] = []
        self._gradient_norms: list[Tensor] = []

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return len(self._losses)

    @property
    def losses(self) -> Float[Tensor, "steps n"]:
        """The loss of every member before each step; nan after it has diverged."""
        return torch.stack(self._losses) if self._losses else torch.empty(0, len(self))

    @property
    def gradient_norms(self) -> Float[Tensor, "steps n"]:
        """The length of every member's gradient at each step, weight decay not in it; nan after it has diverged."""
        return torch.stack(self._gradient_norms) if self._gradient_norms else torch.empty(0, len(self))

    def fit(
        self,
        batches: Batches,
        loss: Loss,
        *,
        steps: int,
        schedule: Callable[[int], float | Tensor] | None = None,
        in_dims: InDims = None,
        progress: bool | ProgressCallback = False,
        on_step: Callable[[int, Tensor], object] | None = None,
    ) -> None:
        """Make `steps` further steps.

        Args:
            batches: from the step to a sequence of tensors; `self.steps` counts on over several calls.
            loss: `loss(model, *batch)`, one number.
            steps: how many.
            schedule: from the step to the factor of the learning rates, one number or (n,).
            in_dims: None, all members see the same batch; 0, each its own: tensors (n, ...); or a tuple, one for each
                tensor, as for `torch.vmap`.
            progress: True for a bar in the terminal, or a function of (done, steps).
            on_step: called after each step with the step and the losses (n,).
        """
        require(steps >= 0, "steps", steps, "0 or more")
        with reporting(progress, steps, "training") as report:
            for done in range(1, steps + 1):
                step = self.steps
                factor = 1.0 if schedule is None else schedule(step)
                losses = self.step(loss, *batches(step), factor=factor, in_dims=in_dims)
                if on_step is not None:
                    on_step(step, losses)
                report(done, steps)

    def step(
        self, loss: Loss, *batch: Tensor, factor: float | Tensor = 1.0, in_dims: InDims = None
    ) -> Float[Tensor, " n"]:
        """One step of every member; return their losses (n,) before it. `factor` scales the learning rates."""
        rates = self.learning_rate * self._per_member("factor", factor)
        dims = self._dims(batch, in_dims)
        if self.chunk_size is None:
            self.chunk_size = self._fitting_chunk(loss, batch, dims)
        keep_freed_memory()
        losses = torch.full((len(self),), torch.nan, dtype=self.learning_rate.dtype)
        norms = losses.clone()
        random = torch.get_rng_state()
        for part in self._parts():
            if self.randomness == "same":
                torch.set_rng_state(random)
            if not self.alive[part].any():
                continue
            leaves = {name: value[part].detach() for name, value in self.parameters.items()}
            for name in self._trained:
                leaves[name].requires_grad_()
            value = self._run(self._model, loss, leaves, part, batch, dims)
            require(value.ndim == 1, "loss", f"shape {tuple(value.shape[1:])} for a member", "one number")
            gradients = torch.autograd.grad(value.sum(), [leaves[name] for name in self._trained], allow_unused=True)
            found = {name: g for name, g in zip(self._trained, gradients, strict=True) if g is not None}
            with torch.no_grad():
                squares = [g.flatten(1).square().sum(1) for g in found.values()]
                norm = torch.stack(squares).sum(0).sqrt()
                losses[part] = value.detach().where(self.alive[part], torch.nan)
                norms[part] = norm.where(self.alive[part], torch.nan)
                self.alive[part] &= value.isfinite() & norm.isfinite()
                self._update(part, found, rates[part])
        self._losses.append(losses)
        self._gradient_norms.append(norms)
        return losses

    def predict(self, x: Tensor, *, in_dims: int | None = None) -> Any:
        """What every member makes of `x` in eval mode, (n, ...); with `in_dims=0` each of its own `x[i]`."""
        return self.evaluate(lambda model, x: model(x), x, in_dims=in_dims)

    @torch.no_grad()
    def evaluate(self, function: Callable[..., Any], *batch: Tensor, in_dims: InDims = None) -> Any:
        """`function(model, *batch)` for every member in eval mode, without gradients; each tensor gains a first n."""
        dims = self._dims(batch, in_dims)
        outcomes = [self._run(self._evaluated, function, self._slice(p), p, batch, dims) for p in self._parts()]
        return tree_map(lambda *values: torch.cat(values), *outcomes)

    @torch.no_grad()
    def member(self, index: int) -> nn.Module:
        """A copy of one member as an ordinary module, in the modes that `build` gave."""
        require(-len(self) <= index < len(self), "index", index, f"0 to {len(self) - 1}")
        model = copy.deepcopy(self._model)
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            value.copy_((self.parameters | self.buffers)[name][index])
        return model

    def _per_member(self, name: str, value: float | Tensor) -> Tensor:
        dtype = next((v.dtype for v in self.parameters.values() if v.is_floating_point()), torch.float32)
        numbers = torch.as_tensor(value, dtype=dtype)
        fits = numbers.shape in ((), (len(self),))
        require(fits, name, f"shape {tuple(numbers.shape)}", f"one number or shape ({len(self)},)")
        return numbers.expand(len(self))

    def _parts(self) -> Iterator[slice]:
        size = self.chunk_size or len(self)
        return (slice(begin, min(begin + size, len(self))) for begin in range(0, len(self), size))

    def _fitting_chunk(self, loss: Loss, batch: Sequence[Tensor], dims: tuple[int | None, ...]) -> int:
        kept: dict[int, int] = {}
        given = {tensor.untyped_storage().data_ptr() for tensor in batch}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in given:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        own = [tensor if dim is None else tensor.select(dim, 0) for tensor, dim in zip(batch, dims, strict=True)]
        with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss(self.member(0), *own)
        return min(len(self), max(1, _KEPT // max(1, sum(kept.values()))))

    def _slice(self, part: slice) -> dict[str, Tensor]:
        return {name: value[part] for name, value in self.parameters.items()}

    def _dims(self, batch: Sequence[Tensor], in_dims: InDims) -> tuple[int | None, ...]:
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(batch)
        require(len(dims) == len(batch), "in_dims", in_dims, f"one for each of the {len(batch)} tensors of a batch")
        for tensor, dim in zip(batch, dims, strict=True):
            fits = dim is None or (-tensor.ndim <= dim < tensor.ndim and tensor.shape[dim] == len(self))
            require(fits, "batch", f"shape {tuple(tensor.shape)}", f"{len(self)} members along dimension {dim}")
        return tuple(None if dim is None else dim % one.ndim for one, dim in zip(batch, dims, strict=True))

    def _run(
        self,
        model: nn.Module,
        function: Callable[..., Any],
        parameters: dict[str, Tensor],
        part: slice,
        batch: Sequence[Tensor],
        dims: tuple[int | None, ...],
    ) -> Any:
        """`function(model, *batch)` for the members in `part`; what a layer writes to its buffers stays."""
        call = _Call(model, function)
        own = [
            tensor if dim is None else tensor[(slice(None),) * dim + (part,)]
            for tensor, dim in zip(batch, dims, strict=True)
        ]
        buffers = {name: value[part] for name, value in self.buffers.items()}

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *batch: Tensor) -> Any:
            state = {f"model.{name}": value for name, value in {**parameters, **buffers}.items()}
            return functional_call(call, state, batch)

        return vmap(one, in_dims=(0, 0, *dims), randomness=self.randomness)(parameters, buffers, *own)

    def _update(self, part: slice, gradients: Mapping[str, Tensor], rates: Float[Tensor, " m"]) -> None:
        alive = self.alive[part]
        everyone = bool(alive.all())
        rates = rates.where(alive, 0)
        for name, gradient in gradients.items():
            parameter = self.parameters[name][part]
            shape = (-1,) + (1,) * (parameter.ndim - 1)
            if not everyone:
                gradient = gradient.where(alive.view(shape), 0)
            if self.weight_decay:
                gradient = gradient.add(parameter, alpha=self.weight_decay)
            rate = rates.view(shape)
            state = [self.optimizer_state[key][name][part] for key in self.optimizer_state]
            if self.optimizer == "sgd":
                parameter.sub_(rate * self._sgd(gradient, *state))
            else:
                parameter.sub_(rate * self._adam(gradient, *state))

    def _sgd(self, gradient: Tensor, velocity: Tensor) -> Tensor:
        if not self.momentum:
            return gradient
        velocity.mul_(self.momentum).add_(gradient)
        return gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity

    def _adam(self, gradient: Tensor, mean: Tensor, square: Tensor) -> Tensor:
        (first, second), step = self.betas, self.steps + 1
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = square.sqrt().div_((1 - second**step) ** 0.5).add_(self.eps)
        return mean.div(scale).div_(1 - first**step)


class _Call(nn.Module):
    """`function(model, *batch)` as a module, so that the function gets the model itself with a member's state in it."""

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *batch: Tensor) -> Any:
        return self.function(self.model, *batch)
