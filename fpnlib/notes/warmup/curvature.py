"""How sharply the loss is curved, and how well Adam knows its second moments, for many members at once."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from fpnlib.validation import require

Parameters = Mapping[str, Float[Tensor, "n ..."]]
LossOf = Callable[[Mapping[str, Tensor]], Float[Tensor, ""]]


def hessian_vector_product(loss: LossOf, at: Mapping[str, Tensor], vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the Hessian of `loss` at `at` times `vector`, as the gradient of (gradient · vector).

    Two passes of back-propagation; the Hessian itself is never built.
    """

    def along(at: Mapping[str, Tensor]) -> Tensor:
        gradient = grad(loss)(at)
        return torch.stack([(gradient[name] * vector[name]).sum() for name in gradient]).sum()

    product: dict[str, Tensor] = grad(along)(dict(at))
    return product


def sharpness(
    net: nn.Module,
    parameters: Parameters,
    loss: Callable[..., Float[Tensor, ""]],
    *batch: Tensor,
    iterations: int = 60,
) -> Float[Tensor, " n"]:
    """Return the largest eigenvalue of the Hessian of n members' losses, by power iteration.

    Power iteration finds the eigenvalue that is largest in size. Where that is negative it runs once more on the
    Hessian less that eigenvalue, whose largest in size is the one asked for.

    Args:
        net: the architecture, without buffers.
        parameters: stacked, each (n, ...).
        loss: `loss(net, *batch)`, one number.
        batch: what the loss is taken over, the same for all members.
        iterations: products with the Hessian.

    Errors: ValueError for fewer than one iteration, or a net with buffers.
    """
    require(iterations >= 1, "iterations", iterations, "1 or more")
    require(not any(True for _ in net.buffers()), "net", "one with buffers", "one whose only state is its parameters")
    call = _WithLoss(net, loss)

    def product(at: Mapping[str, Tensor], vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        def loss_of(state: Mapping[str, Tensor]) -> Tensor:
            return functional_call(call, {f"net.{name}": value for name, value in state.items()}, batch)

        return hessian_vector_product(loss_of, at, vector)

    n = len(next(iter(parameters.values())))

    def iterate(shift: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        generator = torch.Generator().manual_seed(0)
        vector = {
            name: torch.randn(value.shape[1:], generator=generator, dtype=value.dtype).expand_as(value)
            for name, value in parameters.items()
        }
        for _ in range(iterations):
            length = _dot(vector, vector).sqrt()
            vector = {name: value / _like(length, value) for name, value in vector.items()}
            image = vmap(product)(dict(parameters), vector)
            image = {name: value - _like(shift, value) * vector[name] for name, value in image.items()}
            eigenvalue = _dot(vector, image)  # Rayleigh's quotient
            vector = image
        return eigenvalue + shift

    largest = iterate(torch.zeros(n, dtype=next(iter(parameters.values())).dtype))
    return largest if bool((largest >= 0).all()) else iterate(largest.clamp(max=0)).maximum(largest)


def second_moment_spread(
    net: nn.Module,
    parameters: Parameters,
    loss: Callable[..., Float[Tensor, ""]],
    inputs: Float[Tensor, "streams steps b ..."],
    targets: Tensor,
    *,
    beta: float = 0.999,
) -> Float[Tensor, "n steps"]:
    """Return how far Adam's step sizes differ between streams of batches of the same data, step by step.

    The parameters stay where they are, so that only chance differs. A stream's batches give Adam's bias-corrected
    second moment v of each parameter; its step size is proportional to 1 / √v. Returned is the standard deviation over
    streams of log √v, its mean over the parameters whose gradient is never 0. The log makes it free of scale; Liu et
    al. 2020 (RAdam) take the variance of 1 / √v itself.

    Args:
        net, parameters, loss: as for `sharpness`.
        inputs, targets: (streams, steps, batch, ...), the same for all members.
        beta: Adam's second.
    """
    call = _WithLoss(net, loss)

    def squared_gradient(state: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
        def loss_of(state: Mapping[str, Tensor]) -> Tensor:
            return functional_call(call, {f"net.{name}": value for name, value in state.items()}, (x, t))

        return torch.cat([g.flatten() for g in grad(loss_of)(dict(state)).values()]).square()

    spreads = []
    for member in range(len(next(iter(parameters.values())))):
        state = {name: value[member] for name, value in parameters.items()}
        moment, seen, spread = torch.zeros(()), None, []
        for step in range(inputs.shape[1]):
            squares = vmap(squared_gradient, in_dims=(None, 0, 0))(state, inputs[:, step], targets[:, step])
            seen = (squares > 0).all(0) if seen is None else seen & (squares > 0).all(0)
            moment = beta * moment + (1 - beta) * squares
            spread.append((moment / (1 - beta ** (step + 1))).log().div(2).std(0))
        spreads.append(torch.stack([one[seen].mean() for one in spread]))
    return torch.stack(spreads)


class _WithLoss(nn.Module):
    """`loss(net, *batch)` as a module, so that parameters can be put in."""

    def __init__(self, net: nn.Module, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, *batch: Tensor) -> Tensor:
        return self.loss(self.net, *batch)


def _dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Float[Tensor, " n"]:
    return torch.stack([(a[name] * b[name]).flatten(1).sum(1) for name in a]).sum(0)


def _like(numbers: Float[Tensor, " n"], value: Tensor) -> Tensor:
    return numbers.view(-1, *(1,) * (value.ndim - 1))
