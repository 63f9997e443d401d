"""How sharply the loss is curved, and how far Adam's first steps go, for many members at once."""

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
            # drawn in double, so that single precision starts from the same vector
            name: torch.randn(value.shape[1:], generator=generator, dtype=torch.float64).to(value).expand_as(value)
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


def adam_updates(
    net: nn.Module,
    parameters: Parameters,
    loss: Callable[..., Float[Tensor, ""]],
    inputs: Float[Tensor, "streams steps b ..."],
    targets: Tensor,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Float[Tensor, "n steps"], Float[Tensor, "n steps"]]:
    """Return how far Adam would move a parameter, in learning rates, and how alike streams of batches move them.

    The parameters stay where they are; only the moments m and v gather. The first number is the root mean square of
    m̂ / (√v̂ + eps): 1 at step 1, where it is the gradient's sign; the more the signs of later gradients differ, the
    smaller it gets (Ma and Yarats 2021). The second is the mean cosine between the updates of two streams: 1 if chance
    plays no part, 0 if there is nothing else. Parameters count whose gradient has not been 0 in any stream so far.

    Args:
        net, parameters, loss: as for `sharpness`.
        inputs, targets: (streams, steps, batch, ...), two streams or more, the same for all members.
        betas: Adam's.
        eps: Adam's.

    Errors: ValueError for fewer than two streams.
    """
    streams, steps = inputs.shape[:2]
    require(streams > 1, "inputs", f"{streams} stream", "two streams or more")
    call, (first, second) = _WithLoss(net, loss), betas

    def gradient(state: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
        def loss_of(state: Mapping[str, Tensor]) -> Tensor:
            return functional_call(call, {f"net.{name}": value for name, value in state.items()}, (x, t))

        return torch.cat([g.flatten() for g in grad(loss_of)(dict(state)).values()])

    sizes, likeness = [], []
    for member in range(len(next(iter(parameters.values())))):
        state = {name: value[member] for name, value in parameters.items()}
        mean, square, seen = torch.zeros(()), torch.zeros(()), torch.tensor(True)
        for step in range(1, steps + 1):
            found = vmap(gradient, in_dims=(None, 0, 0))(state, inputs[:, step - 1], targets[:, step - 1])
            seen = seen & (found != 0).all(0)
            mean = first * mean + (1 - first) * found
            square = second * square + (1 - second) * found.square()
            update = mean / (1 - first**step) / ((square / (1 - second**step)).sqrt() + eps)
            power, shared = update[:, seen].square().mean(), update[:, seen].mean(0).square().mean()
            sizes.append(power.sqrt())
            likeness.append((streams * shared - power) / ((streams - 1) * power))
    return torch.stack(sizes).view(-1, steps), torch.stack(likeness).view(-1, steps)


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
