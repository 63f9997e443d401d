# %% [markdown]
# # 07 · Add or concatenate
#
# **In one sentence:** adding two maps is concatenating them with the kernel's halves tied, so it is cheaper and it is a
# bet: that channel k of one map means what channel k of the other means.
#
# *One hour. [The feature pyramid](04-fpn.ipynb) helps.* Run every cell first (menu Run → Run All Cells), then move the
# sliders. They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Two small pictures, x and y. Above they are added and go through one kernel. Below they are concatenated and go
# through a kernel with two halves, one for each. On the right is the difference of the two outputs.
#
# **Untick *tie the two halves*, and look at the difference. Then set the move of y's middle weight to zero.**

# %%
from fpnlib.notes.add_vs_concat.explorers import add_is_tied_concat

add_is_tied_concat()

# %% [markdown]
# With tied halves, or with two that happen to be equal, the outputs are equal, whatever the kernel, its size, stride or
# dilation. With free halves they need not be. So concat can do all that add can, and more. The rest of this note is
# about whether "more" is worth it.
#
# Your own maps work too: `add_is_tied_concat(x, y)` takes two arrays of one size.

# %% [markdown]
# ### What it costs
#
# **Raise the number of maps, and the ratio grows. Then the channels, and it stays.**

# %%
from fpnlib.notes.add_vs_concat.explorers import fusion_costs

fusion_costs()

# %% [markdown]
# The next convolution costs as many times as much as there are maps, for any kernel and any channels. In a pyramid the
# concatenations pile up: the finest level carries all coarser ones. That is counting. Tick *measure the time* and your
# own machine says how much of the factor it feels.
#
# CPN, the *cascaded pyramid network*, finds the joints of people. Its first half, GlobalNet, is cheaper than FPN here
# for another reason than the adds: its last 3×3 gives a map for each of seventeen joints, where FPN's gives as many
# channels as go in. More on that below.

# %% [markdown]
# ### When the bet is right
#
# Two images of the same digit by two writers go into a small network. At alignment 1 pixel meets pixel. At 0 the second
# image is the same, but its pixels are shuffled, always in the same way. In between, each pixel is a mixture: at one
# half it is half of itself and, with a weight of $0.87$, another pixel. Each of the 64 pixels is a channel here. Blue
# says that adding is better, orange that concatenating is, a dot that the interval excludes zero.
#
# **Go down from alignment 1 to 0. Then choose the network's channels as data.**

# %%
from fpnlib.notes.add_vs_concat.explorers import alignment

alignment()

# %% [markdown]
# On the digits add wins in the upper left corner, with aligned inputs and little data, and concat in most of the rest.
# Where there is much data and the inputs are aligned, it hardly matters.
#
# With *a network's channels* the picture is another. There both inputs come from one trained network at two scales.
# Aligned, adding gains nothing with little data, and a little with more, most at equal parameters. Misaligned, concat
# wins.

# %% [markdown]
# ### Edges from five layers
#
# HED finds edges at five depths of one network, and adds the five maps with a weight each. (In its code that is a 1×1
# convolution after a concat. The maps have one channel each, so the two are the same.) The network is the real trained
# one; the sliders begin at equal weights. F, the F-score, is the harmonic mean of precision and recall at the labelled
# outlines, each map at its own best threshold. An edge counts when an outline is near, an outline when an edge is near.
# Near is measured as in the BSDS benchmark, in parts of the photo's diagonal; here it is the distance under the
# picture.
#
# **Set the weights of side outputs 1 and 5 to zero. Then try one side output alone.**

# %%
from fpnlib.notes.add_vs_concat.explorers import edge_fusion

edge_fusion()

# %% [markdown]
# The learned weights are all near one fifth (they are printed below), and F hardly moves when you change them a little.
# The photo's labels are outlines of objects, while HED also draws plates and window frames. So precision is low for
# every map.
#
# Your own photo works too: `edge_fusion(image, instances)`, with a number for every instance.

# %% [markdown]
# ### A highway for gradients
#
# A residual block adds its input to its output: $x_{n+1} = x_n + f(x_n)$. So its gradient has a 1 in it,
# $1 + f'$, and a product of many such factors need not vanish. Below is a stack of 60 blocks before any training.
# λ is what the skip is multiplied by: 0 is a plain stack, 1 is a residual one.
#
# **Move λ from one half to 1. Then choose He's initial weights.**

# %%
from fpnlib.notes.add_vs_concat.explorers import gradient_highway

gradient_highway()

# %% [markdown]
# At torch's own initial weights a plain stack passes on next to nothing; a residual one's gradient even grows somewhat.
# With He's weights, which are larger, the plain one loses far less, and the residual one's *grows* with every block, by
# millions over sixty. Batch norm in each block calms the residual one.

# %% [markdown]
# ### The same trick along time
#
# An LSTM's cell state is added to, not overwritten: $c_t = f_t c_{t-1} + i_t g_t$. The forget gate $f$ is the λ of
# above. Below an LSTM reads a row of a photo's pixels, and the curve says how much an input so many steps back counts.
#
# **Open the gate, from 0.9 to 1.**

# %%
from fpnlib.notes.add_vs_concat.explorers import lstm_memory

lstm_memory()

# %% [markdown]
# Held open, the gate keeps what was there. But a free gate at torch's initial weights is about half open, and half to
# the power of a hundred is nothing. The trick is there; the initial bias of the forget gate decides whether it works.

# %% [markdown]
# ### What skips carry
#
# Two kinds of network concatenate. A U-Net goes down to coarse maps and up again, and each map on the way up is joined
# with the map of its size on the way down. In a DenseNet's block each layer sees the outputs of all layers before it.
# Here are small ones of both kinds, trained.
#
# **Compare the kinds with little and with much data, in the U-Net. Then choose DenseNet.** On the right, one skip at a
# time is cut: it carries the same for all images. *The way round* is what comes up through the coarsest maps.

# %%
from fpnlib.notes.add_vs_concat.explorers import what_skips_carry

what_skips_carry()

# %% [markdown]
# With the most data the U-Net's skip at full size is worth about a tenth of IoU (twice that with less data), and the
# two others little: for finding objects on these scenes colour and texture at hand are nearly enough. In the DenseNet
# every layer is missed, and which most depends on how they are joined: with concat the first, with add the fourth. With
# little data the intervals are wide.

# %% [markdown]
# ## Why
#
# A convolution is linear, so over the concatenation it is a sum of two convolutions, each with its own half of the
# kernel:
#
# $$[A \; B] * \begin{bmatrix} x \\ y \end{bmatrix} = A * x + B * y$$
#
# With $A = B$ this is $A * (x + y)$. That is all. In code, the tied kernel is the kernel repeated.

# %%
from fpnlib.explore import source
from fpnlib.models.fusion import tie_concat

source(tie_concat)

# %% [markdown]
# Adding needs maps of one shape, and says so.

# %%
import torch

from fpnlib.models.fusion import Add, Concat

try:
    Add()(torch.zeros(1, 64, 8, 8), torch.zeros(1, 48, 8, 8))
except ValueError as error:
    print(error)
print(tuple(Concat()(torch.zeros(1, 64, 8, 8), torch.zeros(1, 48, 8, 8)).shape))

# %% [markdown]
# ## Check
#
# The counts against torch's own FLOP counter, and the LSTM cell against torch's, both on random numbers; and the
# weights that HED has learned.

# %%
from torch.utils.flop_counter import FlopCounterMode

from fpnlib.models import HED, LSTMCell, UNet, cost

for merge in ("add", "concat"):
    net = UNet(merge=merge)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 3, 64, 64))
    counted = cost(net, (1, 3, 64, 64))
    assert counter.get_total_flops() == 2 * counted.macs
    print(
        f"U-Net that {merge}s: {counted.parameters} weights, {counted.macs} multiply-adds, "
        "as torch counts"
    )

torch.manual_seed(0)
ours, theirs = LSTMCell(5, 7).double(), torch.nn.LSTMCell(5, 7).double()
theirs.load_state_dict(ours.state_dict())
x, state = torch.randn(3, 5).double(), (torch.randn(3, 7).double(), torch.randn(3, 7).double())
for mine, reference in zip(ours(x, state), theirs(x, state), strict=True):
    torch.testing.assert_close(mine, reference, rtol=0, atol=1e-12)
print("LSTM cell equal to torch's")

print(
    "HED's learned weights, finest side first:",
    [round(w, 3) for w in HED.pretrained().fuse.weight.tolist()],
)

# %% [markdown]
# ## Measure
#
# The ten claims of this note, with the tests that were fixed before measuring.

# %%
from fpnlib.claims import verdicts

verdicts("AC")

# %% [markdown]
# **The identity and the embedding hold.** Over <span title="AC-1 n">300</span> random convolutions the tied concat
# differs from the add by rounding only. With one weight of one half moved by $0.01$ the outputs part by
# <span title="AC-1 least_nudged">0.016</span> or more. And <span title="AC-3 n">60</span> random nets that add each
# have a net that concatenates and gives the same.
#
# **Concat costs twice add: for the next convolution.** In all <span title="AC-2 n">576</span> cases exactly twice the
# weights (without the bias) and multiply-adds. In whole nets it is another factor:
# <span title="AC-2 u_net_macs">1.25</span> for our U-Net, where most convolutions do not follow a skip, and
# <span title="AC-2 fpn_macs">3.3</span> for a pyramid that concatenates all coarser levels.
#
# **Add is a prior: it depends.** On aligned digits with ten and twenty pairs add is more accurate by
# <span title="AC-4 digits_add_wins">0.048</span>; misaligned with hundreds of pairs concat is, by
# <span title="AC-4 digits_concat_wins_over_add">0.008</span>. With a network's channels concat wins when they are
# shuffled, by <span title="AC-4 network_concat_wins_over_add">0.12</span>, but add does not win when they are aligned:
# <span title="AC-4 network_add_wins">-0.001</span>, with an interval from
# <span title="AC-4 network_add_wins_low">-0.008</span> to <span title="AC-4 network_add_wins_high">0.006</span>.
#
# **FPN suits add: our test says no.** The counts bear the source, the learner's notes from which this book grew, out.
# On ResNet-50's maps a concatenating pyramid has <span title="AC-2 fpn_parameters">2.1</span> times the weights, and
# without the 1×1 in front it would have <span title="AC-5 concat_uncut_parameters">28.9</span> million, nearly nine
# times as many as FPN. But in a small trained pyramid of equal parameters concat reaches a mean IoU that is higher by
# <span title="AC-5 effect">0.048</span> (<span title="AC-5 low">0.042</span> to <span title="AC-5 high">0.054</span>),
# where we had allowed 0.02. So cost speaks for add, and accuracy at this scale does not. The pyramid has six to eight
# channels a level, frozen maps below it, and one learning rate for all; large ones may differ.
#
# **CPN's 1×1 before the add: it depends.** Counted here is only what brings the levels together, on CPN's input of
# 256×192. Both FPN and CPN cut the coarse channels before they add, and against an add at the channels of the coarsest
# map that saves much: <span title="AC-6 cut_twice_macs">0.64</span> instead of <span title="AC-6 lift_macs">2.8</span>
# billion multiply-adds. But CPN's *second* 1×1 makes it dearer than FPN's way, <span title="AC-6 cut_macs">0.38</span>.
# It saves against adding uncut maps, not against FPN. Where it stands, after the enlargement, it works on four times
# the places. A 1×1 and a bilinear enlargement commute, so before the enlargement it would give the same for a quarter
# of the products.
#
# **Edges: the fusion holds, narrowly.** F is <span title="AC-7 fused">0.656</span> for the learned fusion and
# <span title="AC-7 sides[1]">0.637</span> for the best side output. Equal weights give
# <span title="AC-7 equal">0.657</span>, and of sixty-four random weightings
# <span title="AC-7 drawn_below_fused">52</span> are below the learned one. So joining the five helps, and a plain add
# does as well as learned weights. The benchmark is stricter: it pairs edges and outlines one to one. Paired so at the
# same thresholds F is <span title="AC-7 matched_fused">0.558</span> for the fusion and
# <span title="AC-7 matched_sides[1]">0.520</span> for the same side output. One photo cannot say more.
#
# **Gradients: it depends.** Over 60 blocks, at torch's initial weights, a plain stack's gradient changes by
# <span title="AC-8 torch_plain_60">-25</span> powers of ten, a factor too small to train, and a residual one changes by
# <span title="AC-8 torch_residual_60">1.6</span>. With He's weights the residual one grows by
# <span title="AC-8 he_residual_60">7.8</span>. Concatenating stacks are as good a highway:
# <span title="AC-8 torch_concat_60">-0.65</span>.
#
# **The LSTM: our test says no, for a reason we had not thought of.** An RNN's memory changes by
# <span title="AC-9 rnn_200">-46</span> powers of ten over two hundred steps, that of an LSTM with its gate held open
# changes by <span title="AC-9 forget_100_200">1.2</span>. It *grows*, as what was put into the cell also drives the
# gates later on, and we had asked for a change below 1. A gate held at `0.95` changes by
# <span title="AC-9 forget_95_200">-0.24</span>. At torch's own initial weights the LSTM's changes by
# <span title="AC-9 lstm_200">-34</span>: less than the RNN's, but next to nothing is left of either. With a forget bias
# of three it is <span title="AC-9 biased_200">-0.14</span>. So the trick is the same one, if the gate is open.
#
# **With data to spare concat is fine: it depends.** With the most data concat gains
# <span title="AC-10 unet_gain_over_add_much">0.034</span> in the U-Net, with an interval from
# <span title="AC-10 unet_gain_over_add_much_low">-0.020</span> to
# <span title="AC-10 unet_gain_over_add_much_high">0.10</span>, and at equal parameters
# <span title="AC-10 unet_gain_over_matched_much">0.032</span>, from
# <span title="AC-10 unet_gain_over_matched_much_low">0.014</span> to
# <span title="AC-10 unet_gain_over_matched_much_high">0.049</span>. In the DenseNet of equal widths concat's gain is
# <span title="AC-10 densenet_gain_over_add_much">-0.033</span>, so add is better. But to be added, all layers must be
# as wide as the block's end, so that net has three and a half times the parameters. At equal parameters there is no
# difference, <span title="AC-10 densenet_gain_over_matched_much">0.002</span>. The nets are small and make few steps,
# so this is data to spare without compute to spare. An earlier run in single precision, with the same seeds, gave other
# gains, by rounding alone. So these nets are trained in double precision.

# %% [markdown]
# **In short.** The algebra holds. What follows from it holds under conditions: on digits adding pays where channels
# mean the same *and* data is scarce; with a network's channels it pays a little, and with more data. Adding makes the
# *next convolution* cheaper. It makes a whole net cheaper only if that net is not made wider in return. We could not
# show in both networks that concat is better with more data.

# %% [markdown]
# ## Try
#
# Replace the three dots, run the cell, and read what the check says.
#
# **First.** Write `f(kernel)` that takes the kernel of a convolution after an add of two maps, a NumPy array
# (out, in, k, k), and returns the kernel that gives the same after their concatenation.

# %%
from fpnlib.exercises import check

check("tied kernel", ...)

# %% [markdown]
# **Second.** Write `f(maps, channels, outputs, kernel)` that returns two numbers: the weights of the next convolution
# when so many maps are added, and when they are concatenated. `channels` is that of each map, `outputs` that of the
# result, `kernel` the side of the square kernel. No bias.

# %%
check("fusion weights", ...)

# %% [markdown]
# **Third.** Write `f(design)` that returns `"add"` or `"concat"`. A wrong answer is shown the measurement. There are
# three designs:
#
# - `"few aligned digits"`: two images of the same digit, pixel by pixel, and ten or twenty such pairs to learn from
# - `"many shuffled maps"`: two maps whose channels are in another order, and hundreds of pairs
# - `"five edge maps"`: of one channel each

# %%
check("which fusion", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import solution` and `print(solution("tied kernel"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | add, element-wise sum | 逐元素相加 | channel meets channel; the maps need one shape |
# | concatenate | 拼接 | one map's channels after the other's |
# | skip connection | 跳跃连接 | a way past some layers |
# | residual block | 残差块 | a block whose input is added to its output |
# | forget gate | 遗忘门 | what an LSTM's cell state is multiplied by |
# | side output | 侧边输出 | an answer taken from a layer on the way |
# | multiply-add, MAC | 乘加 | one product and one sum, the unit of cost |
# | decade | 数量级 | a factor of ten |
# | prior | 先验 | what is assumed before any data is seen |
#
# ## References
#
# - T.-Y. Lin et al., *Feature Pyramid Networks for Object Detection*, CVPR 2017.
# - Y. Chen et al., *Cascaded Pyramid Network for Multi-Person Pose Estimation*, CVPR 2018: CPN.
# - S. Xie, Z. Tu, *Holistically-Nested Edge Detection*, ICCV 2015: HED.
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016; and *Delving Deep into Rectifiers*, ICCV
#   2015: the initial weights.
# - S. Hochreiter, J. Schmidhuber, *Long Short-Term Memory*, 1997.
# - O. Ronneberger et al., *U-Net*, MICCAI 2015; G. Huang et al., *Densely Connected Convolutional Networks*, CVPR 2017.
