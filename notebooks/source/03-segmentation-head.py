# %% [markdown]
# # 03 · The segmentation head
#
# **In one sentence:** the source says that a segmentation network which ends in a single 3×3 convolution trains
# unsteadily and that 3×3 followed by 1×1 is better; here both are trained many times on a pretrained backbone, and one
# sees how far it is true.
#
# *Half an hour. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders. They
# work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# A segmentation network gives a class to every pixel. Its last layers, which turn features into one number per class
# and pixel, the **logits**, are the **head**. Here are five heads on the same features: those of a network that was
# trained on ImageNet and stays as it is, joined by a small **neck**. The networks learn to find faces, coins, digits
# and squares that are pasted onto photos, and are scored on pictures whose photos and cut-outs they have never seen.
# The score is the mean IoU, **mIoU**: the area that answer and truth share, divided by the area that either covers, for
# each class, averaged. Every thin curve is one network, with its own initial weights and its own order of pictures. The
# orange one is the net that you choose, the other thick one the mean of all.
#
# **First say what you expect.** Of the five heads, which one scores best? And does a batch norm before the last layer
# help a head that ends in a single 3×3, or does it harm it? Keep both answers in mind. **Now choose 3×3→1×1, then 3×3.
# Then put batch norm before the last layer, and go through the learning rates.**

# %%
from fpnlib.notes.segmentation_head.explorers import head_stability

head_stability()

# %% [markdown]
# On the right stand two ways to say "unsteady", and one to say "good".
#
# - **Spread**: how far apart two networks end that differ only in their seeds. It was measured at all three rates for
#   the two heads that the source compares, and at the middle rate for the others.
# - **Jitter**: how far an evaluation on the way lies from the middle of the one before and the one after, on average. A
#   steady climb has none, so a network that still learns is not called restless for it.
# - **Boundary IoU**: the IoU within a few pixels of the outlines, where a last 3×3 might be expected to help or to
#   blur.
#
# The bars are intervals at ninety-five per cent. Bars that lie apart differ. Bars that overlap may still differ, since
# the heads are compared seed by seed; the intervals of those differences stand under *Measure*.

# %% [markdown]
# ### Inside
#
# Here is one picture that no network was trained on, and what two of the heads make of it while they learn. The margin
# is how far the best logit lies above the next: where it is dark, the smallest change turns the label over.
#
# **Move the snapshot from the first to the last.**

# %%
from fpnlib.notes.segmentation_head.explorers import inside_the_head

inside_the_head()

# %% [markdown]
# After the first step both nets guess. By the third snapshot most large objects are there; the small ones come last.
# The two charts look at the usual reason given for the saying. A last 3×3 sums nine times as many products as a last
# 1×1 does over the same channels, so if every weight moves by the same amount, its logits move further. The charts show
# how large a weight of the last layer is, and its gradient in that step (root mean squares, on a scale of powers of
# ten). The weights of a 3×3 begin a third as large as those of a 1×1, since the usual initialisation takes their number
# into account, and they stay smaller. The gradient of one of them begins larger or as large, and after a few steps it
# is mostly the smaller one. So the nine taps are there, but what they add up is small.

# %% [markdown]
# ## Why
#
# What differs is small. Backbone, pictures, loss and their order are the same for all. The neck brings the backbone's
# three coarsest maps to the same number of channels by 1×1 convolutions and adds them up. Then comes one of these.

# %%
from fpnlib.explore import source
from fpnlib.notes.segmentation_head.experiments import heads

source(heads.head)

# %% [markdown]
# The whole difference between a last 1×1 and a last 3×3 can be seen in a few lines. A 1×1 is one linear classifier that
# is asked at every pixel by itself. In a 3×3, nine pixels have a say in every answer, so each pixel also speaks in the
# answers of its neighbours. **Change this:** write $5$ or $7$ among the sides, and say before you run it how many
# pixels' logits will move.

# %%
import torch

torch.manual_seed(0)
features = torch.randn(1, 32, 16, 16)
touched = features.clone()
touched[0, :, 8, 5] += 1  # the features of one pixel, and of no other
for side in (1, 3):
    last = torch.nn.Conv2d(32, 6, side, padding=side // 2)
    moved = ((last(touched) - last(features)).abs().amax(1) > 1e-4).sum().item()
    print(
        f"a last {side}×{side}: each logit sums {last.weight[0].numel()} products; one pixel moves {moved} pixels' "
        "logits"
    )

one = torch.nn.Conv2d(32, 6, 1)
by_hand = (
    one.weight[:, :, 0, 0] @ features[0, :, 8, 5] + one.bias
)  # a classifier, asked at one pixel
assert torch.allclose(by_hand, one(features)[0, :, 8, 5], atol=1e-5)

# %% [markdown]
# A head with two layers is deeper and has more parameters than one with a single layer. So if it trains more steadily,
# is it because of the 1×1? Two controls are there to tell: **wide 3×3** ends in one 3×3 but has a wider neck, and
# **3×3→3×3** is as deep. Both have nearly the parameters of 3×3→1×1.

# %%
from fpnlib.models.segmenter import Segmenter
from fpnlib.training.examples import CHANNELS
from fpnlib.training.segmenter import CLASSES

for name in heads.HEADS:
    head = heads.head(name, norm=True)
    net = Segmenter(CHANNELS[1:], CLASSES, channels=heads.width(name), neck=heads.neck, head=head)
    parameters = sum(p.numel() for p in net.parameters())
    in_head = sum(p.numel() for p in net.head.parameters())
    print(f"{name:8} {parameters:6} parameters, {in_head:5} of them in the head")

# %% [markdown]
# **What published networks do.** FCN scores with a 1×1. PSPNet, DeepLab's third version in torchvision and most
# networks since put 3×3, batch norm, ReLU and often dropout before it, which is what the source calls better. But
# others end in one 3×3 and are used all the same: SegNet does, and so does the head of U-Net in the library
# *segmentation_models*. The layer before has batch norm and ReLU there. So whether there is batch norm before the last
# layer is part of the question.

# %% [markdown]
# ## Check
#
# Jitter must not punish learning, and must see what is really restless. On made-up curves one knows the answer.

# %%
from fpnlib.notes.segmentation_head.experiments.last_layer import EVALUATED, jitter

climb = [0.002 * step for step in EVALUATED]
zigzag = [score + (0.01 if place % 2 else -0.01) for place, score in enumerate(climb)]
print(f"a steady climb: {jitter(climb):.4f}; up and down by 0.01 around it: {jitter(zigzag):.4f}")
assert jitter(climb) < 1e-6
assert abs(jitter(zigzag) - 0.02) < 1e-6

# %% [markdown]
# ## Measure
#
# The claim, with the test that was fixed before any of its numbers was known.

# %%
from fpnlib.claims import verdicts

verdicts("SH")

# %% [markdown]
# **It depends on the batch norm.** There are two networks in every cell for each of <span title="SH-1 n">16</span>
# seeds. All heads see the same scenes in the same order, and are compared seed by seed. How much more a single 3×3 has
# than 3×3→1×1, on average over three learning rates, first without batch norm before the last layer, then with it:
#
# - Spread of the final mIoU: <span title="SH-1 spread_gain_one_plain">-0.024</span>, from
#   <span title="SH-1 spread_gain_one_plain_low">-0.037</span> to
#   <span title="SH-1 spread_gain_one_plain_high">-0.012</span>; and
#   <span title="SH-1 spread_gain_one_norm">0.030</span>, from <span title="SH-1 spread_gain_one_norm_low">0.018</span>
#   to <span title="SH-1 spread_gain_one_norm_high">0.043</span>.
# - Jitter of the mIoU on the way: <span title="SH-1 jitter_gain_one_plain">-0.0041</span>, from
#   <span title="SH-1 jitter_gain_one_plain_low">-0.0062</span> to
#   <span title="SH-1 jitter_gain_one_plain_high">-0.0020</span>; and
#   <span title="SH-1 jitter_gain_one_norm">-0.0032</span>, from
#   <span title="SH-1 jitter_gain_one_norm_low">-0.0050</span> to
#   <span title="SH-1 jitter_gain_one_norm_high">-0.0014</span>.
# - Share of steps with a loss spike, which is a loss of more than one and a half times the mean of the ten before it:
#   <span title="SH-1 spikes_gain_one_plain">0.0032</span>, from
#   <span title="SH-1 spikes_gain_one_plain_low">0.0012</span> to
#   <span title="SH-1 spikes_gain_one_plain_high">0.0051</span>; and
#   <span title="SH-1 spikes_gain_one_norm">-0.0045</span>, from
#   <span title="SH-1 spikes_gain_one_norm_low">-0.0067</span> to
#   <span title="SH-1 spikes_gain_one_norm_high">-0.0023</span>.
#
# So the source is right about one thing and in one case: with batch norm before the last layer, the results of a single
# 3×3 lie further apart from seed to seed, by more than the point of mIoU that matters. Without batch norm they do not;
# the seeds of 3×3→1×1 are then the ones that differ more, mostly at the lowest rate, at which they have learnt least.
# And on the way a single 3×3 is never the more restless one: its jitter is on average the smaller one both times, and
# it does not have loss spikes in one step of a hundred more.
#
# **The score is another matter.** By how much 3×3→1×1 is better at the middle rate:
#
# - Without batch norm: <span title="SH-1 miou_gain_one_plain_1">-0.007</span>, from
#   <span title="SH-1 miou_gain_one_plain_1_low">-0.017</span> to
#   <span title="SH-1 miou_gain_one_plain_1_high">0.003</span>. The single 3×3 reaches
#   <span title="SH-1 miou_one_plain_1">0.709</span>, the two layers <span title="SH-1 miou_two_plain_1">0.702</span>.
# - With batch norm: <span title="SH-1 miou_gain_one_norm_1">0.102</span>, from
#   <span title="SH-1 miou_gain_one_norm_1_low">0.089</span> to
#   <span title="SH-1 miou_gain_one_norm_1_high">0.116</span>. The single 3×3 reaches
#   <span title="SH-1 miou_one_norm_1">0.675</span>, the two layers <span title="SH-1 miou_two_norm_1">0.777</span>.
# - At boundaries it is the same: <span title="SH-1 boundary_gain_one_plain_1">-0.009</span> without,
#   <span title="SH-1 boundary_gain_one_norm_1">0.108</span> with batch norm, the latter from
#   <span title="SH-1 boundary_gain_one_norm_1_low">0.098</span> to
#   <span title="SH-1 boundary_gain_one_norm_1_high">0.118</span>.
#
# **Is it the 1×1, or the additional layer?** With batch norm, a single 3×3 on a wider neck, which has as many weights
# as 3×3→1×1, reaches <span title="SH-1 miou_wide_norm_1">0.707</span>, and two 3×3, which are as deep, reach
# <span title="SH-1 miou_deep_norm_1">0.681</span>. Neither comes near <span title="SH-1 miou_two_norm_1">0.777</span>,
# so it is neither weights nor depth alone: the last layer should be a 1×1. A 1×1 without any 3×3 reaches
# <span title="SH-1 miou_point_norm_1">0.739</span>, more than every head that ends in a 3×3. Without batch norm it is
# the best head of all, <span title="SH-1 miou_point_plain_1">0.738</span>, with the fewest weights.
#
# **What to do.** Take 3×3, batch norm, ReLU and 1×1, as most published networks do: it is the best head here, at
# boundaries too, and its seeds lie only <span title="SH-1 spread_two_norm_1">0.015</span> apart. Leave the batch norm
# out, and the additional layer is not worth its weights; a 1×1 alone does better. A single 3×3 is no danger in itself:
# without batch norm below it, its seeds lie <span title="SH-1 spread_one_plain_1">0.022</span> apart. It is only not as
# good. If training is restless, look at the learning rate before you look at the head: from the lowest rate to the
# highest the jitter of 3×3→1×1 grows by <span title="SH-1 control_jitter">0.009</span>. And trust no gain of a point
# from two runs, since two seeds of the same head differ by as much.
#
# **What the instrument can see.** The table asks for three effects beyond doubt, and all three are there. The best head
# reaches a mean IoU of <span title="SH-1 miou_two_norm_1">0.777</span>. If one network of a pair gets a fifth of the
# other's learning rate, the two end <span title="SH-1 control_spread">0.038</span> further apart than two seeds do,
# from <span title="SH-1 control_spread_low">0.020</span> to <span title="SH-1 control_spread_high">0.055</span>. And
# jitter grows with the learning rate, as it must.
#
# **What was known when the bounds were fixed.** Width, length, rates and the number of scenes were chosen with a few
# nets of the two heads that the source compares, scored on scenes of the training part. There the middle rate was the
# best of those tried, spreads were large, and with batch norm the two layers were ahead. No score on test scenes was
# known. The sweep was begun anew twice, each time after a few dozen nets, because it would have taken too long: steps
# and evaluations were made fewer, and the three other heads were left with the middle rate. The last change came when
# the first networks' scores on test scenes could be seen. The bounds were not touched. After eight seeds some intervals
# were wider than what matters, so eight more were trained; no verdict turned but that of the score without batch norm,
# which could not be told before and now fails. Before all that, the book had
# answered from nets of three thousand weights on tiny pictures, which learnt next to nothing; those nets are gone.
#
# **What was tried, and what not.** Batch norm stands directly before the last ReLU in every head. Below a single layer
# that is right behind the neck's sum, where it costs more than it gives; with a convolution between neck and batch
# norm, as SegNet has it, a last 3×3 may do better. The backbone, EfficientNet-Lite0, was trained on ImageNet and is
# frozen; only neck and head learn, from a few hundred pictures in about as many steps. At the middle rate the best
# head's curve is flat by the middle of that; the others still climb there, so longer training may narrow the gaps. The
# optimiser, AdamW with a warm-up, a falling rate and gradients that are cut where they are very long, is a modern one
# and keeps any head calm; the source may have used none of that. A backbone that learns too, longer training and more
# classes may differ. Squares of both colours count as one class in the score, because in so short a training it is a
# matter of luck when a net begins to tell the colours apart.

# %% [markdown]
# ## Remember
#
# - End with a 1×1, and put 3×3, batch norm and ReLU before it; a single 3×3 is worse where batch norm stands below it.
# - "Unsteady" means three different things: seeds far apart, a restless curve, a loss that jumps. Say which, and
#   measure it.
# - Two seeds of one and the same head differ by a point or two. A gain of a point from one run each is no gain yet.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** Write `f(kernels, channels)` that returns the number of parameters of convolutions with bias, one after the
# other. `kernels` are their sides; `channels` is a list, first what goes into the first one, then what comes out of
# each.

# %%
from fpnlib.exercises import check

check("head parameters", ...)

# %% [markdown]
# **Second.** Write `f(curve)` that returns the jitter of a list of scores: how far each lies from the middle of its two
# neighbours, on average over all that have two.

# %%
check("jitter", ...)

# %% [markdown]
# **Third, a prediction.** A head is a chain of convolutions whose sides are all odd. One pixel's features change by a
# little. Write `f(kernels)` that returns how many pixels' logits can move, far from the border. Before you run the
# check, say what it is for 3×3→1×1 and for 3×3→3×3.

# %%
check("pixels that move", ...)

# %% [markdown]
# **Fourth, a bug to mend.** This code is meant to give the share of pixels that a head names rightly, in pictures where
# some pixels are *void* ($255$): nobody knows what they show, so they must not count. It reports scores that are too
# low. Find out why, mend it, and hand it in.
#
# ```python
# def accuracy(answers, labels):
#     right = (answers == labels) & (labels != 255)
#     return right.sum() / labels.size
# ```

# %%
check("void pixels", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("jitter")` gives a first hint, `hint("jitter", 2)` the
# next, and `print(solution("jitter"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | semantic segmentation | 语义分割 | a class for every pixel |
# | head | 头部 | the last layers, which turn features into the answer |
# | logits | 逻辑值 | the numbers before softmax, one per class |
# | mean IoU, mIoU | 平均交并比 | shared over joint area of answer and truth, averaged over the classes |
# | seed | 随机种子 | the number that fixes initial weights and the order of images |
# | learning rate | 学习率 | how far one step goes along the gradient |
# | loss spike | 损失尖峰 | a sudden rise of the training loss |
#
# ## References
#
# - The source: one learner's notes, the page from which this book grew. It gives no experiment for this remark.
# - J. Long, E. Shelhamer, T. Darrell, *Fully Convolutional Networks for Semantic Segmentation*, CVPR 2015: 1×1 scoring.
# - H. Zhao et al., *Pyramid Scene Parsing Network*, CVPR 2017; L.-C. Chen et al., *Rethinking Atrous Convolution for
#   Semantic Image Segmentation*, 2017: 1×1 after a 3×3 with batch norm, as torchvision and others build them.
# - V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, TPAMI 2017: the last layer of its published model is one 3×3.
# - B. Cheng et al., *Boundary IoU*, CVPR 2021.
# - Student, *The Probable Error of a Mean*, Biometrika 1908: the intervals.
# - *Another good page:* *Dive into Deep Learning*, on fully convolutional networks. It trains one on VOC from the
#   first line to the last picture. Here only the last layer changes, so that what changes with it can be measured.
