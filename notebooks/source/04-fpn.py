# %% [markdown]
# # 04 · The feature pyramid
#
# **In one sentence:** a backbone's coarse maps know what they see and its fine maps know where, and the feature pyramid
# (FPN) hands the coarse knowledge down, level by level, so that every level knows both.
#
# *One hour. [The padding pitfall](02-padding-pitfall.ipynb) explains strides and receptive fields; IoU, recall and AP
# come from [the first note](01-precision-recall.ipynb).* Run every cell first (menu Run → Run All Cells), then move the
# sliders. They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Below, a photo goes through EfficientNet-Lite0, a small network that was trained on ImageNet. It gives four maps: C2,
# C3, C4, C5. A cell of C2 is four pixels wide, and on each level above it is twice as wide, has been through more
# layers, and has seen more of the photo. A pyramid makes M2…M5 of them, and of these P2…P5. On the right you see all
# twelve at their true relative size: C in the first row, M in the second, P in the third. A map has many channels. The
# colours are their first three principal components, the three mixtures of channels that vary most. So within a map
# equal colours mean similar features, as far as three numbers can tell.
#
# **Say first what you expect:** at which level of C do cup and saucer get colours of their own? And will P2, which is
# as fine as C2, tell them apart? **Then go from the lowest level of C to the highest, and do the same for P.**

# %%
from fpnlib.notes.fpn.explorers import pyramid

pyramid(stage="C", level=2)

# %% [markdown]
# Five things to try.
#
# - At C2 you see edges and texture, and the cup has the saucer's colour. At C5 no edge is left, but cup, saucer and
#   table have colours of their own.
# - Compare C2, M2 and P2. M2 has C2's edges, and colours that came down from above. In P2 cup and saucer differ, with
#   sharp outlines.
# - Put the cursor on an edge and on the table. The line at the bottom shows every channel there.
# - Choose the other backbone. It is a tiny ResNet that was trained together with its pyramid, to find objects in
#   painted scenes. Cups are not among them.
# - Choose the astronaut, the one photo that was no background of the scenes on which both pyramids were trained.
#
# **Your own.** `pyramid("holiday.jpg")` takes your photo: a path, an array, the bytes of a file or an upload widget.
# `pyramid(backbone=net)` takes your network: a module or function that returns a list or dict of maps, or any
# classifier, your own or one of torchvision's or timm's. From a classifier it takes the last map of each stride, and
# names the layers below the picture. If you bring no pyramid, it makes an untrained one from principal components.

# %% [markdown]
# ### The architecture
#
# Here is all of it in one picture. Read it from the lower left.
#
# ![The feature pyramid. Left, bottom-up: the image, then C2, C3, C4, C5 at strides four to thirty-two, each half as
# large as the one before. From each C a 1×1 convolution leads to the right. C5's is M5. M5 is enlarged to the size of
# C4's lateral and added to it, which gives M4; M4 in the same way gives M3, and M3 gives M2. Right: a 3×3 convolution
# makes P2, P3, P4, P5 of M2, M3, M4, M5. Every level has the same number of
# channels.](../images/04-fpn-architecture.png)
#
# - **Left, the strides.** Before C2 the image is halved twice, and each later stage halves the map again. C is what
#   comes out of a stage: in a ResNet after the last block's add and ReLU.
# - **1×1, the laterals.** They give every level the same number of channels, so that levels can be added.
# - **Enlarging and adding.** M5 is C5's lateral. M4 is C4's lateral plus M5 enlarged, and so on down.
# - **3×3.** It makes P of M. One head, with the same weights, reads every P; that is why all have the same channels.
#
# SSD, an earlier detector, read maps of several strides as they came, with no way down.
#
# **The width is a multiple of thirty-two. Make it one pixel more, and watch where "not twice" appears.**

# %%
from fpnlib.notes.fpn.explorers import architecture

architecture(width=640)

# %% [markdown]
# Odd sides bring out the classic bug of this architecture. Half of $41$ is rounded up to $21$, and twice $21$ is $42$.
# So one must not enlarge *by two* but *to the size* of the finer map. The third exercise is about that.

# %% [markdown]
# ### One step down
#
# Think of a map as a sum of waves, long and short. The shortest that a map can hold is two cells long: half a cycle per
# cell. The level above has half as many cells along each side, so the shortest wave it can hold has a quarter of a
# cycle per cell of *this* level. How strong a wave is, squared, is its *energy*.
#
# **Guess:** if a small map is enlarged, does any of its energy appear in waves that it could not hold? **Then change
# this** to `"bilinear"`.

# %%
import torch
from torch.nn.functional import interpolate

enlarging = "nearest"  # change this to "bilinear"; the explorer below takes it too
torch.manual_seed(0)
small = torch.randn(1, 1, 32, 32)  # all waves that it can hold, equally strong
energy = torch.fft.fft2(interpolate(small, (64, 64), mode=enlarging))[0, 0].abs().square()
waves = torch.fft.fftfreq(64).abs()  # cycles per cell
finer = torch.maximum(waves[:, None], waves) > 0.25
print(f"{enlarging}: {energy[finer].sum() / energy.sum():.2f} of the energy is in finer waves")

# %% [markdown]
# That is false detail: with *nearest* the edges of the enlarged blocks. The paper calls it the aliasing of upsampling,
# and gives it as the reason for the 3×3 that follows.
#
# Here is one addition in detail: the lateral, the level above, their sum M, and P. One channel is shown; the curves are
# over all of them. The white half of the chart has the waves that the level above can hold, the grey half those that it
# cannot.
#
# **Move the top-down term from none to twice.**

# %%
from fpnlib.notes.fpn.explorers import top_down_step

top_down_step(channel=5, upsampling=enlarging)

# %% [markdown]
# At $0$ the sum is the lateral alone: detail without context, with energy at all waves. What comes from above is mostly
# long waves, and the more of it you add, the smaller is the share of the fine ones. The pyramid here was trained with
# nearest, so bilinear is not what its 3×3 expects. The bright band in P lies at the border of the photo, where maps are
# unreliable; [note 02](02-padding-pitfall.ipynb) is about that.

# %% [markdown]
# ### Which level for which object
#
# A two-stage detector such as Faster R-CNN has to choose from which level it takes an object's crop. The paper's rule
# takes the side of the box, $\sqrt{w h}$, and goes up one level whenever it doubles:
#
# $$k = \left\lfloor 4 + \log_2 \frac{\sqrt{w h}}{224} \right\rfloor$$
#
# $224$ is the side of the images on which backbones are trained. The small detector of this note works on scenes of
# $128$ pixels, so it counts from $32$ instead. What is below P2 goes to P2, what is above P5 goes to P5. One-stage
# detectors take no crops. RetinaNet and FCOS decide in training which level answers for a box, by the sizes of anchors
# or of boxes.
#
# **Make the box larger until the frame moves. See how many cells it covers on each level.**

# %%
from fpnlib.notes.fpn.explorers import level_assignment

level_assignment()

# %% [markdown]
# The crops are RoIAlign's: the box is cut into 7×7 bins, whatever its size, and each bin is the mean of 2×2 samples.
# With the paper's rule a square object between $56$ and $896$ pixels has $14$ to $28$ cells a side on its level. On P5
# a small object has less than a cell, so all of its bins are nearly the same. On P2 a large one has a hundred a side,
# most of which the samples miss.

# %% [markdown]
# ### With one part left out
#
# A small one-stage detector in the manner of FCOS reads the pyramid: every cell says which class lies there, where its
# box is, and how good that box is. It was trained from scratch on painted scenes of $128$ pixels with six kinds of
# object, whole and with one part or another left out. The rest was then widened, so all variants have the same number
# of weights within five per cent. Boxes that score less than the slider says are not drawn. The strip on the right has
# the scores of all; its line can be dragged.
#
# The detector is very small; expect many wrong boxes. **Choose scene 2, lower the score to $0.3$, and count the small
# objects that are found. Then choose C4 alone and C5 alone, and lower the score as far as you like.**

# %%
from fpnlib.notes.fpn.explorers import detections

detections()

# %% [markdown]
# The full pyramid finds two of the five small objects. C4 alone and C5 alone find none of them in this scene at any
# score: what comes is more and more wrong boxes.
#
# The chart above the strip is not about this picture. It is the average recall over 256 scenes and eight seeds, for
# small, medium and large objects, as measured below. The last detector of the list was trained for longer and has no
# dots there. `detections("street.jpg")` takes your photo, but the detector knows only its six kinds of object. Training
# and test scenes share cut-outs and background photos.
#
# In that chart the detector without the top-down path finds more than the full one, not less. Is the path worth
# nothing, then? That depends on what there is to hand down.

# %% [markdown]
# ### What the top-down path hands down
#
# Here is an object that cannot be told by its looks: a grey disc. It is amber or blue, two classes, and only a square
# somewhere beside it has that colour. The network has to name the class from the disc's own cell of P2. On the left is
# one example; the frame holds all that P2 can see from the disc. On the right is how often networks were right that had
# the square at each distance, in training and test.
#
# **Start with the square far away, move it towards the disc, and watch the curve without the path when the square
# enters the frame. Then guess: on a frozen backbone, will there be such a cliff too, and will the net with the path
# still always be right? Choose that backbone.**

# %%
from fpnlib.notes.fpn.explorers import cue_distance

cue_distance()

# %% [markdown]
# As long as the square lies in the frame both nets are always right. One step further, and without the path the net can
# only guess: what P2 does not see it does not know, however long it trains. With the path it knows, since the coarse
# levels see the whole picture. The numbers stand [below](#Measure).
#
# On the frozen backbone the frame is not in the middle: this network pads on one side, so P2 sees further down and to
# the right. There too nothing beyond the frame is known without the path. With it most objects are classified correctly
# but not all; the frozen coarse maps were made for other things. And where P2 sees the square anyway, the path does a
# little harm.

# %% [markdown]
# ### What came after
#
# Many detectors since then have a *neck*, some layers between backbone and head, that is FPN with one thing changed:
#
# - **RetinaNet** leaves P2 out and puts P6 and P7 on top, for large objects.
# - **PANet** adds a second path, upwards. Its N2 is P2; each further N is the N below, made half as large, plus the P
#   of its own level.
# - **BiFPN**, EfficientDet's neck, goes down and up as well, and learns how much each map counts when it adds.
# - **Dilated backbones**, as in DeepLab, need no neck. Where a stage would halve the map they keep it large, and put
#   the taps of its kernels further apart. They came before FPN, and segmentation still uses them.
#
# Below, all of them sit on a ResNet-50. A row is a level, with its stride at the right. Follow one cell of the
# backbone, the one with the dot: what it reaches is orange. The maps at the bottom are the outputs. The more paths lead
# to a cell there, the stronger its colour.
#
# **First a guess. You see where a cell of C5 goes. FPN's arrows lead down: can an edge that C2 has seen get up to P5?
# Choose C2. Then choose PANet with the same cell, and tick *through the backbone too* to see what was possible before.
# Go on to BiFPN with a cell of C3, and to the last net with one of C4.**

# %%
from fpnlib.notes.fpn.explorers import after_fpn

after_fpn(level=5)

# %% [markdown]
# Here are the same nets in numbers, for an image of 512×512 and levels of $256$ channels. The last two columns count
# the convolutions from a cell of C3 to the coarsest output, along the shortest and the longest way.

# %%
from fpnlib.notes.fpn.experiments.successors import beside_fpn

print(beside_fpn())

# %% [markdown]
# - **RetinaNet's levels** cost weights and save multiplications. P6 is made of all of C5's channels by a 3×3, which
#   takes more weights than all of FPN. But without P2, the largest map by far, it multiplies less than a third as much.
# - **PANet's path** doubles the weights and adds nearly half of FPN's multiplications. What it buys is a way up: 7 or 8
#   convolutions from a fine map to the top, where the backbone takes up to 29. But that count follows the longest way.
#   Through a ResNet's shortcuts the top was always 4 away; PANet's own top lies one further. What is new is a short way
#   that belongs to the neck, where it can learn what to hand on without changing the backbone.
# - **BiFPN** lets every level reach every other one, for a tenth of FPN's multiplications. The weighted add does not
#   save them. *Separable* convolutions do: a 3×3 on each channel by itself, and a 1×1 to mix them. EfficientDet has
#   several such layers one after the other.
# - **Dilation** costs no weights and many multiplications. With C4 and C5 at stride 8 they grow by nearly four whole
#   ResNet-50s. And look at the cells that are reached: after two dilated stages every other row and column stays white,
#   so two neighbours in C5 are made of different cells of C4. This is called *gridding*.
#
# Which of them finds more objects we did not measure. It depends on the data, as *Measure* below shows for FPN itself.
#
# PANet's way up and BiFPN's weighted sum take a few lines each. With equal weights the sum below resembles P much more
# than N, because P has the larger values. **Find weights that make it resemble both equally.** N needs between two and
# three times P's.

# %%
import torch
from torch.nn.functional import relu

from fpnlib.models import PathAggregation
from fpnlib.models.fusion import FastNormalizedFusion

torch.manual_seed(0)
p = [torch.randn(1, 8, side, side) for side in (32, 16, 8)]
path, fusion, weights = PathAggregation(8, 3), FastNormalizedFusion(2), [1.0, 1.0]  # change these
n = [p[0]]
for down, smooth, level in zip(path.down, path.smooth, p[1:], strict=True):
    n.append(relu(smooth(level + relu(down(n[-1])))))
assert all(map(torch.equal, n, path(p)))
fusion.weight.data = torch.tensor(weights)
positive = relu(fusion.weight)
added = (positive[0] * p[1] + positive[1] * n[1]) / (positive.sum() + fusion.eps)
torch.testing.assert_close(added, fusion(p[1], n[1]))
for name, one in (("P", p[1]), ("N", n[1])):
    alike = torch.corrcoef(torch.stack([added.ravel(), one.ravel()]))[0, 1]
    print(f"correlation of the sum with {name}: {alike:.2f}")

# %% [markdown]
# ## Why
#
# The whole pyramid is a few lines. `merged` makes M.

# %%
from fpnlib.explore import source
from fpnlib.models import FPN

source(FPN.merged, FPN.enlarge)

# %% [markdown]
# **Shapes.** A ResNet's stem halves twice, and three stages halve once more each. Each halving has $\lceil n / 2
# \rceil$ cells, so level $k$ has $\lceil n / 2^k \rceil$.

# %%
import torch

from fpnlib.models import resnet50

net, fpn = resnet50(num_classes=None).eval(), FPN((256, 512, 1024, 2048), 256).eval()
with torch.no_grad():
    stages = net.stages(torch.zeros(1, 3, 96, 131))
    merged, levels = fpn.merged(stages), fpn(stages)
for k, (c, m, p) in enumerate(zip(stages, merged, levels, strict=True), 2):
    print(f"C{k} {tuple(c.shape[1:])}   M{k} {tuple(m.shape[1:])}   P{k} {tuple(p.shape[1:])}")

# %% [markdown]
# **What it costs.** With bias, the laterals have $(256 + 512 + 1024 + 2048 + 4) \cdot 256$ weights and the four 3×3
# have $4 \, (9 \cdot 256 + 1) \cdot 256$.

# %%
laterals = sum(p.numel() for p in fpn.inner_blocks.parameters())
smoothing = sum(p.numel() for p in fpn.layer_blocks.parameters())
assert laterals == (256 + 512 + 1024 + 2048 + 4) * 256
assert smoothing == 4 * (9 * 256 + 1) * 256
print(f"{laterals} weights in the laterals, {smoothing} in the 3×3")

# %% [markdown]
# **Where a cell looks.** Two small things are worth knowing, and receptive-field arithmetic shows both.

# %%
from torch import nn

from fpnlib.ops import receptive_field

layers = [net.conv1, net.bn1, nn.ReLU(), net.maxpool]
for k, stage in enumerate((net.layer1, net.layer2, net.layer3, net.layer4), 2):
    layers.append(stage)
    field = receptive_field(layers)
    print(
        f"C{k}: a cell sees {field.size} pixels a side, the stride is {field.stride}, "
        f"cell 0 is centred on pixel {field.start:g}"
    )

# %% [markdown]
# First, a cell of C5 sees far more than its 32 pixels, most of it faintly. The field alone does not say what a cell
# knows, only what it cannot know.
#
# Second, cell 0 of *every* level is centred on pixel 0. So cell $j$ of a level lies exactly on cell $2j$ of the finer
# one. Enlarging by nearest gives it to units $2j$ and $2j + 1$: right for the first, half a coarse cell off for the
# second. Bilinear enlarging in the usual convention (`align_corners=False`, half-pixel centres) places it between the
# two and is off by half a fine cell everywhere. Neither is exact.
#
# **Why add?** The laterals bring every level to the same channels. After that, adding needs no weights and no more
# channels. A later note is about adding and its alternatives.

# %% [markdown]
# ## Check
#
# Our pyramid against the recipe in NumPy, without any convolution: sums over channels, copied cells, shifted maps. And
# against numbers that torchvision's own `FeaturePyramidNetwork` gave for the same weights; a file keeps them, since
# torchvision is not installed here.

# %%
from fpnlib.notes.fpn.experiments.recipe import plain_pyramid
from fpnlib.notes.fpn.experiments.recorded import (
    CHANNELS,
    OUT,
    SIZES,
    fill,
    pyramid_input,
    recorded,
)

pyramid_fpn = FPN(CHANNELS, OUT).double().eval()
fill(pyramid_fpn)
assert tuple(pyramid_fpn.state_dict()) == recorded().keys
for size, answers in zip(SIZES, recorded().answers, strict=True):
    maps = pyramid_input(size)
    with torch.no_grad():
        ours = list(pyramid_fpn(maps).values())
    for mine, plain, theirs in zip(
        ours, plain_pyramid(pyramid_fpn, list(maps.values())), answers, strict=True
    ):
        torch.testing.assert_close(mine, torch.tensor(plain), rtol=0, atol=1e-9)
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-8)
    print(
        size, "→", [tuple(level.shape[2:]) for level in ours], "equal to NumPy and to torchvision"
    )

# %% [markdown]
# The names of the weights are torchvision's too. So `load_checkpoint` reads an official file: `FPN((256, 512, 1024,
# 2048), 256)` takes the pyramid of a Faster R-CNN, `resnet50(num_classes=None)` its backbone. Keys that do not fit are
# named. Here is a file of the old kind, made on the spot.

# %%
import tempfile
from pathlib import Path

old = {}
for name, weight in fpn.state_dict().items():
    blocks, level, _, role = name.split(
        "."
    )  # inner_blocks.3.0.weight was once inner_blocks.3.weight
    old[f"backbone.fpn.{blocks}.{level}.{role}"] = weight

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "detector.pth"
    torch.save(old, file)
    again = FPN((256, 512, 1024, 2048), 256)
    again.load_checkpoint(file)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), fpn.parameters(), strict=True))
    print("the old names load")
    try:
        FPN((24, 40, 112, 320), 256).load_checkpoint(file)
    except ValueError as error:
        print(error)

# %% [markdown]
# ## Measure
#
# The claims of this note, with the test of each. *The source* is one learner's notes, from which this book grew. The
# bounds of FP-6 were fixed when its numbers were known, all others before.

# %%
from fpnlib.claims import verdicts

verdicts("FP")

# %% [markdown]
# **Shapes and recipe** are as said. On <span title="FP-1 n">48</span> maps of ResNet-18 and ResNet-50 no size and no
# stride is wrong. Our pyramid differs from NumPy and from torchvision's recorded numbers by rounding only;
# <span title="FP-2 odd_steps">94</span> of the steps are to a size that is not twice the coarser one. On ResNet-50 it
# has <span title="FP-2 resnet50_parameters">3344384</span> weights.

# %% [markdown]
# ### What the top-down path is worth
#
# The paper says: without the top-down path small objects lose $14.4$ points of recall ($44.9$ to $30.5$, rows c and d
# of its table). In our own small detector they lost nothing, as you will see. But in its scenes no object needs its
# surroundings, and the fine level sees all of a small one, so it cannot show what the path is for. FP-3, the claim
# about the distant square, asks where it pays:
#
# - where the cue to the class lies beyond what P2 alone sees, and where it lies within;
# - with a small ResNet that is trained together with the pyramid, and with ImageNet's weights, which stay as they are;
# - for small objects, up to $32$ pixels, that need no cue: faces, coins, digits and coloured squares in scenes of $256$
#   pixels whose training and test share neither photos nor cut-outs.
#
# A gain counts if it is larger than two guessing nets may differ by. Two things had to come out as well, or the test
# could show nothing: every net learns an object's own colour, and every net is at chance where nothing tells the class.
# Both did.

# %%
from fpnlib.claims import Result
from fpnlib.notes.fpn.experiments.cue import accuracies

print(accuracies(Result.load("FP-3")))

# %% [markdown]
# **It depends on whether the fine level lacks something.** The first half checks the mechanism: what P2 does not see it
# cannot know. Beyond its field the path is worth <span title="FP-3 effect">0.52</span>
# (<span title="FP-3 low">0.51</span> to <span title="FP-3 high">0.52</span>) in accuracy, from a guess to always right.
# (On these test objects the guesses fell a little below chance, so it is more than a half.) The mean in place of the
# sum does as well, and twice as much training without the path changes nothing; each was tried at one distance. Within
# its field the path brings nothing to the small ResNet, and costs a little on the frozen backbone
# (<span title="FP-3 imagenet_within">-0.04</span>).
#
# On that backbone P2 classifies <span title="FP-3 small_full">58 %</span> of the cells of small objects correctly with
# the path, and <span title="FP-3 small_none">38 %</span> without it. That points the same way as the paper.

# %% [markdown]
# **And if the backbone learns too?** Perhaps the path only makes up for the freezing. FP-7 asks the same of a backbone
# that learns together with the pyramid. Batch norm keeps ImageNet's statistics, as is usual in detectors, and in the
# scenes of $256$ pixels the backbone's rate is a tenth of the pyramid's. We had looked at a few trial nets when we
# fixed the bounds. We expected the path to be worth as much as before, within $0.05$. (The mIoU below is the mean IoU
# over the classes.)

# %%
from fpnlib.notes.fpn.experiments.tuned import beside_frozen

print(beside_frozen(Result.load("FP-7")))

# %% [markdown]
# It is worth more. For small objects the gain grows from <span title="FP-7 frozen_gain">0.20</span> to
# <span title="FP-7 tuned_gain">0.29</span> (<span title="FP-7 tuned_gain_low">0.27</span> to
# <span title="FP-7 tuned_gain_high">0.31</span>): learning helps P2 with the path, and hardly without. So this training
# did not close the gap. C2 may have too few layers for the task, or see too little, or learn too slowly at a tenth of
# the rate; the test does not tell these apart.

# %% [markdown]
# ### A detector with one part left out
#
# Six variants of the detector, <span title="FP-6 n">8</span> seeds each, matched in weights, steps and images, but not
# in multiplications. AR is the share of objects that are found among a hundred boxes, averaged over ten IoU thresholds
# from $.5$ to $.95$. Beside it stands the paper's table 1. Its task (proposals without classes), net and data are
# others, so compare the order of the rows and not the numbers. The row without the 3×3 is ours alone, and P2 alone, row
# f, is the paper's. A part counts as needed if small objects lose more without it than two standard deviations between
# seeds.

# %%
from fpnlib.notes.fpn.experiments.ablation import beside_the_paper

print(beside_the_paper(Result.load("FP-6")))

# %% [markdown]
# **Laterals and fine levels are needed.** Without the laterals the AR of small objects is lower by
# <span title="FP-6 gain_no_lateral_ar_small">0.21</span>, with C4 alone by
# <span title="FP-6 gain_c4_ar_small">0.20</span>. Without the 3×3 it is lower by
# <span title="FP-6 gain_no_smooth_ar_small">0.034</span>, though that net multiplies twice as much.
#
# **The top-down path costs a little.** With it, the AR of small objects is lower by two points
# (<span title="FP-6 gain_no_top_down_ar_small">-0.024</span>, from
# <span title="FP-6 gain_no_top_down_ar_small_low">-0.035</span> to
# <span title="FP-6 gain_no_top_down_ar_small_high">-0.013</span>), and medium and large objects lose as well. That
# nothing needs its surroundings explains why the path does not help here. Why it does harm we have not tested.
#
# **Is one fine level enough?** In the paper P2 alone, with its context from above, finds more small objects than C4
# alone, and fewer than the whole pyramid. Otherwise the orders differ in one place: in the paper leaving out the
# top-down path puts a net below C4 alone, and here above the whole pyramid.
#
# ### When the path pays
#
# Side by side the answers do not contradict each other:
#
# - *The cue lies beyond the field* (FP-3): P2 cannot know the class. The path turns guesses into answers.
# - *Small objects on ImageNet's backbone* (FP-3, FP-7): C2 comes after few layers, and a cell of P2 sees $27$ pixels,
#   fewer than the largest of these objects have. The path is worth <span title="FP-3 small_gain">0.20</span>, and
#   <span title="FP-7 tuned_gain">0.29</span> if the backbone learns.
# - *The paper*: here too C2 comes after few layers of a pretrained network. The path is worth $14.4$ points.
# - *The cue lies within the field* (FP-3): P2 lacks nothing. The path is worth nothing or costs a little.
# - *Our detector* (FP-6): its C2 was trained for these scenes alone, and a cell of P2 sees $35$ pixels, where a small
#   object has at most $16$. It lacks nothing either, and the path costs two points.
#
# Data and tasks differ too, so this is a reading and no proof. It says: build the path in unless you know that your
# fine level lacks nothing.
#
# **What others found.** YOLOF's authors made all levels out of C5 alone and lost less than a point of AP on COCO. A
# pyramid, they conclude, is good for giving objects of different sizes different levels. Our detector without laterals
# finds next to no small objects. But their C5 has $2048$ channels of a deep pretrained network, and ours $64$ channels
# and $16$ cells for a whole scene. How much laterals matter depends on what the coarse map still holds. ViTDet makes
# its pyramid of the last map of a plain transformer, where every place has seen the whole image, and needs neither
# laterals nor a top-down path.

# %% [markdown]
# ### Why the 3×3
#
# Two reasons are given. The paper says that the 3×3 reduces the aliasing of upsampling; the source says that features
# are noisy after they are added. FP-4 takes four pyramids, with and without the top-down path, with and without the
# 3×3, eight seeds each, on the frozen backbone. They classify the cells of the same scenes of $256$ pixels, and we look
# at their maps on four photos that no training has seen. Two numbers stand for the noise:
#
# - the *fine energy*, the share of a map's energy in waves that the level above cannot hold;
# - the *shift error*: if the photo moves by one cell of a level, the map should move with it. The rest is given in
#   units of the map's own standard deviation.

# %%
from fpnlib.notes.fpn.experiments.smoothing import four_nets

print(four_nets(Result.load("FP-4")))

# %% [markdown]
# - **What comes from above cannot follow the shift.** One cell of this level is half a cell of the level above, so the
#   error jumps from next to nothing in the lateral to <span title="FP-4 added_smoothed_error_merged">0.445</span> in
#   the sum. The enlarging is to blame rather than the adding. The fine energy of the sum is lower than that of the
#   lateral, for what comes from above is coarse.
# - **The 3×3 smooths the sum.** From M to P the shift error falls by <span title="FP-4 error_fall">0.13</span> and the
#   fine energy by <span title="FP-4 share_fall">0.09</span>. A fixed blur lowers the error even further, to
#   <span title="FP-4 added_smoothed_error_blurred">0.29</span>.
# - **That this is what it is for is not shown.** Where nothing was added there is nothing to repair. Yet there the 3×3
#   takes away more fine energy, <span title="FP-4 single_share_fall">0.26</span>, and adds more to the mIoU:
#   <span title="FP-4 single_miou_gain">0.20</span>, against <span title="FP-4 added_miou_gain">0.04</span> after
#   adding. For it does a second thing: it lets a cell see its neighbours, which a lateral alone needs more than a sum
#   does. To tell the two apart one would have to give all four nets the same field.
#
# *How it came about.* FP-3, FP-4 and FP-6 replace earlier tests, which had left open what they were meant to show.

# %% [markdown]
# ## Remember
#
# - A pyramid gives every level the same channels: 1×1 laterals, an enlarged map from above added to each, a 3×3 on the
#   sum.
# - The top-down path pays where the fine level lacks something: a cue beyond its field, or layers enough to recognise
#   what it sees. Where it lacked nothing, the path brought nothing or cost a little.
# - The 3×3 smooths what enlarging brings into the sum, the paper's reason for it. That this is what it is worth has not
#   been shown: it also lets a cell see its neighbours.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** Write `f(fine, middle, coarse)`. The three arguments are laterals, NumPy arrays of one channel, each half
# as large as the one before. Return the finest merged map. Enlarge by repeating cells.

# %%
from fpnlib.exercises import check

check("top-down path", ...)

# %% [markdown]
# **Second.** Write `f(side)` that returns how many cells P2, P3, P4 and P5 have along an image's side of so many
# pixels. Odd sides are the point.

# %%
check("sizes of the levels", ...)

# %% [markdown]
# **Third.** Here is one step down with a bug in it.

# %%
from fpnlib.notes.fpn.exercises import planted

source(planted)

# %% [markdown]
# It works for years, and one day an image has an odd side. Write `f(lateral, above)` that is right for every size. A
# ResNet rounds half up; your function should also serve a network that rounds down. Along rows and along columns fine
# cell $i$ takes coarse cell $\lfloor i \cdot \text{coarse} / \text{fine} \rfloor$, where coarse and fine are the two
# sides. That is what torch's *nearest* does.

# %%
check("planted bug", ...)

# %% [markdown]
# **Fourth, a prediction.** You resize a photo to twice its height and width, so each box has four times the area. Does
# every box go up by two levels, by one, or do some stay? Decide first. Then write `f(width, height, scale)` that
# returns the level of a box by the paper's rule, after resizing.

# %%
check("level after resizing", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("planted bug")` gives a first hint,
# `hint("planted bug", 2)` the next, and `print(solution("planted bug"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | backbone | 主干网络 | the network that turns an image into feature maps |
# | feature pyramid, FPN | 特征金字塔 | maps of several strides and equal channels, with what coarser ones know |
# | bottom-up, top-down path | 自底向上、自顶向下路径 | from the image to the coarsest map; and back down |
# | lateral connection | 横向连接 | the 1×1 from a backbone map to the pyramid |
# | upsampling | 上采样 | enlarging a map |
# | aliasing | 混叠 | a wave that a grid is too coarse for appears as another one |
# | Nyquist frequency | 奈奎斯特频率 | the finest wave that a grid can hold: half a cycle a cell |
# | stride | 步幅 | pixels from one cell's centre to the next one's |
# | RoIAlign | 感兴趣区域对齐 | features of a fixed size for a box of any size |
# | neck | 颈部网络 | what stands between backbone and head, such as a pyramid |
# | dilated convolution | 空洞卷积 | a kernel whose taps lie some cells apart |
# | separable convolution | 深度可分离卷积 | a kernel on each channel by itself, then a 1×1 to mix them |
# | average recall, AR | 平均召回率 | share of objects found, averaged over IoU thresholds |
# | ablation | 消融实验 | taking a part away to see what it was worth |
#
# ## References
#
# - T.-Y. Lin et al., *Feature Pyramid Networks for Object Detection*, CVPR 2017.
# - K. He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016: ResNet.
# - T.-Y. Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017: RetinaNet.
# - S. Liu et al., *Path Aggregation Network for Instance Segmentation*, CVPR 2018: PANet.
# - M. Tan, R. Pang, Q. Le, *EfficientDet*, CVPR 2020: BiFPN.
# - L.-C. Chen et al., *DeepLab*, TPAMI 2018; F. Yu, V. Koltun, T. Funkhouser, *Dilated Residual Networks*, CVPR 2017:
#   gridding.
# - K. He et al., *Mask R-CNN*, ICCV 2017: RoIAlign.
# - M. Tan and Q. Le, *EfficientNet*, ICML 2019.
# - Q. Chen et al., *You Only Look One-level Feature*, CVPR 2021: YOLOF.
# - Z. Tian et al., *FCOS: Fully Convolutional One-Stage Object Detection*, ICCV 2019.
# - Y. Li, H. Mao, R. Girshick, K. He, *Exploring Plain Vision Transformer Backbones for Object Detection*, ECCV 2022:
#   ViTDet.
# - torchvision, `FeaturePyramidNetwork` and `resnet50`: names of the weights, and the numbers of the check.
# - *Another good page:* J. Hui, *Understanding Feature Pyramid Networks for object detection*, 2018. It follows FPN
#   on into Faster R-CNN and Mask R-CNN, head by head. Here it ends with the rule for the levels, and each part is taken
#   out and measured instead.
