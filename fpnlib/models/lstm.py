"""The LSTM cell: a cell state that is added to, and three gates; torch's names and numbers."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fpnlib.validation import require


class Gates(NamedTuple):
    """The four parts of one step, each (…, hidden): three gates between 0 and 1, and the new content, −1 to 1."""

    input: Float[Tensor, "*batch hidden"]
    forget: Float[Tensor, "*batch hidden"]
    content: Float[Tensor, "*batch hidden"]
    output: Float[Tensor, "*batch hidden"]


class LSTMCell(nn.Module):
    """One step of an LSTM, with the parameters, keys and initial weights of `nn.LSTMCell`.

    `forget`: None lets the cell compute its forget gate; a number from 0 (shut) to 1 (open) forces it, or a tensor of
    such numbers that broadcasts to (…, hidden), so that many gates can be tried at once.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; the forget gate is from Gers,
    Schmidhuber and Cummins, "Learning to Forget", Neural Computation 2000.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        forget: float | Float[Tensor, "..."] | None = None,
    ) -> None:
        super().__init__()
        require(input_size >= 1, "input_size", input_size, "1 or more")
        require(hidden_size >= 1, "hidden_size", hidden_size, "1 or more")
        if forget is not None:
            low, high = torch.as_tensor(forget).aminmax()
            require(bool(low >= 0 and high <= 1), "forget", forget, "None, or 0 (shut) to 1 (open)")
        self.input_size, self.hidden_size, self.forget = input_size, hidden_size, forget
        # Rows in torch's order: input gate, forget gate, content, output gate.
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size)) if bias else None
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def gates(self, x: Float[Tensor, "*batch input"], h: Float[Tensor, "*batch hidden"]) -> Gates:
        """The gates and the new content for the input x (…, input) and the last output h (…, hidden)."""
        sums = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = sums.chunk(4, -1)
        forget = f.sigmoid() if self.forget is None else torch.as_tensor(self.forget).to(f).expand_as(f)
        return Gates(i.sigmoid(), forget, g.tanh(), o.sigmoid())

    def forward(
        self,
        x: Float[Tensor, "*batch input"],
        state: tuple[Float[Tensor, "*batch hidden"], Float[Tensor, "*batch hidden"]] | None = None,
    ) -> tuple[Float[Tensor, "*batch hidden"], Float[Tensor, "*batch hidden"]]:
        """Output h and cell state c, each (N, hidden), after the input x (N, input); `state` is (h, c), zeros at first.

        Without N, x is (input,) and the state (hidden,). ValueError for other sizes.
        """
        require(x.shape[-1] == self.input_size, "x", f"{x.shape[-1]} features", f"{self.input_size}")
        if state is None:
            h = c = x.new_zeros(*x.shape[:-1], self.hidden_size)
        else:
            h, c = state
            wanted = (*x.shape[:-1], self.hidden_size)
            for name, part in (("h", h), ("c", c)):
                require(part.shape == wanted, f"state, {name}", tuple(part.shape), str(wanted))
        gates = self.gates(x, h)
        # The add that this is about: what the cell held goes on, scaled by the forget gate alone.
        c = gates.forget * c + gates.input * gates.content
        return gates.output * c.tanh(), c
