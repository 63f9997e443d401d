"""Adding and concatenating maps: the tied kernel, nets that embed, and what they refuse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fpnlib.models.fusion import Add, Concat, WeightedAdd, embed_add_in_concat, tie_concat
from fpnlib.models.unet import UNet

MAPS = settings(deadline=None, max_examples=60)


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    stride = draw(st.integers(1, 3))
    same = stride == 1 and draw(st.booleans())
    # torch warns of even kernels padded to the same size.
    side = st.sampled_from([1, 3, 5]) if same else st.integers(1, 5)
    kernel = draw(st.tuples(side, side))
    dilation = draw(st.integers(1, 3))
    torch.manual_seed(draw(st.integers(0, 99)))
    return nn.Conv2d(
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        kernel,
        stride,
        "same" if same else draw(st.integers(0, 2)),
        dilation,
        groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    ).double()


@given(convolutions(), st.integers(1, 4))
@MAPS
def test_the_tied_kernel_after_a_concat_is_the_kernel_after_an_add(conv, inputs):
    maps = [torch.randn(2, conv.in_channels, 15, 14, dtype=torch.float64) for _ in range(inputs)]
    tied = tie_concat(conv, inputs)
    assert tied.in_channels == inputs * conv.in_channels
    torch.testing.assert_close(tied(torch.cat(maps, 1)), conv(sum(maps)), rtol=0, atol=1e-12)


@given(convolutions(), st.integers(2, 4))
@MAPS
def test_without_tying_they_differ(conv, inputs):
    tied = tie_concat(conv, inputs)
    loose = tie_concat(conv, inputs)
    nn.init.normal_(loose.weight)
    maps = torch.randn(2, tied.in_channels, 15, 14, dtype=torch.float64)
    assert (tied(maps) - loose(maps)).abs().max() > 1e-3


def test_tied_weights_are_copies():
    conv = nn.Conv2d(2, 3, 3)
    tied = tie_concat(conv)
    with torch.no_grad():
        tied.weight.zero_()
    assert conv.weight.abs().min() > 0
    assert conv.in_channels == 2


class Tangle(nn.Module):
    """Adds before a convolution, before other layers, before both, nested, of three maps, and a layer used twice."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)
        self.first, self.second, self.third = Add(), Add(), Add()
        self.concat = Concat()
        self.twice = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.first(self.left(x), self.right(x))
        b = self.twice(a)
        c = self.second(a.relu(), b, self.twice(b))
        both = self.concat(c, b)
        return self.last(self.norm(self.third(both, both.tanh())).relu())


@given(st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_every_add_net_lies_in_a_concat_net(seed):
    torch.manual_seed(seed)
    net = Tangle().double().eval()
    embedded = embed_add_in_concat(net)
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(embedded(x), net(x), rtol=0, atol=1e-12)
    kinds = [type(module) for module in embedded.modules()]
    assert Add not in kinds
    assert kinds.count(Concat) == 4
    assert sum(isinstance(module, Add) for module in net.modules()) == 3


def test_a_u_net_that_adds_lies_in_one_that_concatenates():
    torch.manual_seed(0)
    adding, joining = (UNet(3, 2, (4, 8, 16), merge=merge).double() for merge in ("add", "concat"))
    state = adding.state_dict()
    for number, decoder in enumerate(adding.decoder):
        state[f"decoder.{number}.0.weight"] = tie_concat(decoder[0]).weight
    joining.load_state_dict(state)
    x = torch.randn(1, 3, 21, 16, dtype=torch.float64)
    torch.testing.assert_close(joining(x), adding(x), rtol=0, atol=1e-12)


@given(st.integers(1, 4), st.booleans())
@settings(deadline=None, max_examples=20)
def test_a_weighted_add_of_single_channels_is_a_1x1_of_their_concat(count, bias):
    fuse, conv = WeightedAdd(count, bias=bias), nn.Conv2d(count, 1, 1, bias=bias)
    maps = torch.randn(count, 2, 1, 5, 4).unbind(0)
    torch.testing.assert_close(fuse(*maps), sum(maps) / count)
    with torch.no_grad():
        fuse.weight.copy_(conv.weight.flatten())
        if bias:
            fuse.bias.copy_(conv.bias.squeeze())
    torch.testing.assert_close(fuse(*maps), conv(Concat()(*maps)))


def test_add_and_concat_are_torch_s():
    a, b, c = torch.randn(3, 2, 4, 5, 6).unbind(0)
    assert torch.equal(Add()(a, b, c), a + b + c)
    assert torch.equal(Concat()(a, b, c), torch.cat([a, b, c], 1))


@pytest.mark.bad_input
@pytest.mark.parametrize("join", [Add(), WeightedAdd(2)])
def test_an_add_of_other_channels_says_both_counts_and_that_concat_would_do(join):
    maps = torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, 4, 4)
    with pytest.raises(ValueError, match=r"maps: got 3 and 5 channels, allowed: equal channels.*Concat would take"):
        join(*maps)
    assert Concat()(*maps).shape == (1, 8, 4, 4)


@pytest.mark.bad_input
@pytest.mark.parametrize("join", [Add(), Concat(), WeightedAdd(2)])
def test_other_sizes_batches_and_numbers_are_refused(join):
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="sizes 4×4 and 4×6, allowed: equal"):
        join(x, torch.zeros(1, 3, 4, 6))
    with pytest.raises(ValueError, match="batches of 1 and 2"):
        join(x, torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"shape \(4, 4\)"):
        join(x, torch.zeros(4, 4))
    with pytest.raises(ValueError, match="maps: got"):
        join()


@pytest.mark.bad_input
def test_what_cannot_be_tied_or_embedded_is_refused():
    with pytest.raises(ValueError, match="3 maps, allowed: 2"):
        WeightedAdd(2)(*torch.zeros(3, 1, 1, 2, 2))
    with pytest.raises(ValueError, match="conv: got Linear"):
        tie_concat(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="inputs: got 0"):
        tie_concat(nn.Conv2d(2, 2, 1), 0)
    with pytest.raises(ValueError, match="without an Add"):
        embed_add_in_concat(nn.Conv2d(2, 2, 1))

    class Unknown(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = Add()

        def forward(self, x, y):
            return self.add(x, y).relu()

    with pytest.raises(ValueError, match="unknown channels"):
        embed_add_in_concat(Unknown())

    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match="cannot be traced"):
        embed_add_in_concat(Branching())


def test_weights_of_another_start_are_still_learned():
    fuse = WeightedAdd(4)
    fuse(*torch.ones(4, 1, 1, 2, 2)).sum().backward()
    assert math.isclose(fuse.weight.grad.sum().item(), 16)
