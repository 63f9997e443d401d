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
# C3, C4, C5. A cell of C2 is four pixels wide, and on each level above it is twice as wide. A pyramid makes M2…M5 of
# them, and of these P2…P5. On the right you see all twelve at their true relative size: C in the first row, M in the
# second, P in the third. A map has many channels. The colours are their first three principal components, so within a
# map equal colours mean similar features.
#
# **Say first what you expect:** at which level of C does the cup become one thing, in one colour? And will P2, which is
# as fine as C2, know it? **Then choose stage C and go from the lowest level to the highest, and do the same for P.**

# %%
from fpnlib.notes.fpn.explorers import pyramid

pyramid()

# %% [markdown]
# Five things to try.
#
# - At C2 you see edges and texture, and the cup has the saucer's colour. At C5 no edge is left, but the cup has one
#   colour, the saucer another.
# - Compare C2, M2 and P2. M2 has C2's edges, and colours that came down from above. In P2 the cup is one thing and the
#   saucer another, with sharp outlines.
# - Put the cursor on an edge and on the table. The line at the bottom shows every channel there.
# - Choose the other backbone. It is a tiny ResNet that was trained together with its pyramid, to find objects in scenes
#   that we paint. Cups are not among them.
# - Choose the astronaut. The other three photos were backgrounds of the scenes on which both pyramids were trained;
#   this one was not.
#
# **Your own.** `pyramid("holiday.jpg")` takes your photo: a path, an array, the bytes of a file or an upload widget.
# `pyramid(backbone=net)` takes your network: a module or function that returns a list or dict of maps, or any
# classifier, your own or one of torchvision's or timm's. Of a classifier the last map of each stride is taken while it
# runs, and the line below the picture says which layers these are. If you give no pyramid with it, one is made on the
# spot that nobody trained, from principal components, and the same line says so.

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
# - **Doubling and adding.** M5 is C5's lateral. M4 is C4's lateral plus M5 enlarged, and so on down.
# - **3×3.** It makes P of M. The head of a detector reads P.
#
# **Make the width a multiple of thirty-two, then one pixel more. Watch where "not twice" appears.**

# %%
from fpnlib.notes.fpn.explorers import architecture

architecture()

# %% [markdown]
# An odd side is the classic bug of this architecture. Half of $41$ is rounded up to $21$, and twice $21$ is $42$. So
# one must not enlarge *by two* but *to the size* of the finer map. The third exercise is about that.

# %% [markdown]
# ### One step down
#
# Here is one adding opened up: lateral, the level above, their sum M, and P. Only one channel is shown, the curves are
# over all channels. They say how much of a map's energy is in coarse waves (left) and in fine ones (right). A map of
# half as many cells can only hold waves up to a quarter of a cycle a cell. That is the white half. Everything in the
# grey half is finer than the level above can know.
#
# **Move the top-down term from none to twice. Then enlarge bilinearly.**

# %%
from fpnlib.notes.fpn.explorers import top_down_step

top_down_step(channel=5)

# %% [markdown]
# With *nearest* the level above has energy in the grey half, although it cannot know anything there. These are the
# edges of the enlarged blocks. With *bilinear* next to none is left. The pyramid here was trained with nearest, so
# bilinear is not what its 3×3 expects.
#
# At $0$ the sum is the lateral alone: detail without context. Its energy is spread over all frequencies. What comes
# from above is mostly coarse waves.

# %% [markdown]
# ### Which level for which object
#
# A detector has to choose: from which level is an object's crop taken? The paper's rule takes the side of the box,
# $\sqrt{w h}$, and goes up one level whenever it doubles:
#
# $$k = \left\lfloor 4 + \log_2 \frac{\sqrt{w h}}{224} \right\rfloor$$
#
# $224$ is the side of the images on which backbones are trained. The small detector of this note works on scenes of
# $128$ pixels, so it counts from $32$ instead. What is below P2 goes to P2, what is above P5 goes to P5.
#
# **Make the box larger until the frame moves. Look how many cells each level has for it.**

# %%
from fpnlib.notes.fpn.explorers import level_assignment

level_assignment()

# %% [markdown]
# The crops are RoIAlign's: the box is cut into 7×7 bins, whatever its size, and each bin is the mean of 2×2 samples.
# With the paper's rule a square object between $56$ and $896$ pixels has $14$ to $28$ cells a side on its level. On P5
# a small object has less than a cell, and all of its bins are nearly the same. On P2 a large one has a hundred, and the
# samples miss most of them.

# %% [markdown]
# ### With one part left out
#
# A detector of some hundred thousand weights reads the pyramid's levels. It was trained from scratch on labelled scenes
# of $128$ pixels, whole and with one part or another left out. Where a part takes many weights with it, more channels
# make up for them, so all have the same number within five per cent. Each box has a score, the detector's confidence;
# only boxes at or above the slider's score are drawn. Colours and line styles say what is right, wrong and missed. The
# strip on the right has the scores of all boxes; its line can be dragged.
#
# **Choose scene 2 and lower the score to $0.3$. Count the small objects that are found. Then choose C4 alone and C5
# alone, and lower the score as far as you like.**

# %%
from fpnlib.notes.fpn.explorers import detections

detections()

# %% [markdown]
# The full pyramid finds some of the small objects. C4 alone and C5 alone find none of them at any score: what comes is
# more and more wrong boxes.
#
# The dots on the right are not of this picture. They are the average recall over 256 scenes and eight seeds, for small,
# medium and large objects, as measured below. The last detector of the list is a single, longer training and has no
# dots; watch its boxes. `detections("street.jpg")` takes your photo; but the detector has only learnt the six kinds of
# object that our scenes have. These scenes and those of the training share their cut-outs and the photos behind them.
#
# Without the top-down path as many small objects are found as with it. Is it worth nothing, then? That depends on what
# there is to hand down.

# %% [markdown]
# ### What the top-down path hands down
#
# Here is an object that cannot be told by its looks: a grey disc. It is amber or blue, two classes, and only a square
# somewhere beside it has that colour. A net says the class at the disc's own cell of P2. Below you see one such
# picture, in a frame what P2 can see from the disc, and how often nets were right that had to learn this at each
# distance.
#
# **Start with the square far away. Move it towards the disc, and watch the curve without the path when the square
# enters the frame. Then choose the other backbone.**

# %%
from fpnlib.notes.fpn.explorers import cue_distance

cue_distance()

# %% [markdown]
# As long as the square lies in the frame both nets are always right. One step further, and without the path the net can
# only guess: what P2 does not see it does not know, however long it trains. With the path it knows, since the coarse
# levels see the whole picture. That is claim FP-3, and the numbers stand [below](#Measure).
#
# On the frozen backbone with ImageNet's weights the frame is not in the middle: this network puts its padding on one
# side, so P2 sees further down and to the right than up and to the left. There too nothing beyond the frame is known
# without the path. With it most objects are named rightly but not all; the frozen coarse maps were made for other
# things. And where P2 sees the square anyway, the path even does a little harm.

# %% [markdown]
# ### What came after
#
# Many detectors since then have a *neck*, some layers between backbone and head, that is FPN with one thing changed:
#
# - **RetinaNet** leaves P2 out and puts P6 and P7 on top, for large objects.
# - **PANet** walks back up. Its N2 is P2; each further N adds a P to the N below, halved.
# - **BiFPN**, EfficientDet's neck, goes down and up as well, and learns how much each map counts when it adds.
# - **Dilated backbones**, as in DeepLab, need no neck. Where a stage would halve the map they keep it large, and put
#   the taps of its kernels further apart. They came before FPN, and segmentation still uses them.
#
# Below, all of them stand on ResNet-50. Follow one cell of the backbone: what it reaches is orange. The maps in the
# bottom row are the outputs, and the colour of a cell there is the stronger the more ways lead to it.
#
# **First a guess. FPN's arrows lead down: can an edge that C2 has seen get up to P5? And of the six, which multiplies
# least, and which most? Then choose PANet with the same cell, and tick *through the backbone too* to see how it was
# before. Go on to BiFPN with a cell of C3, and to the last net with one of C4.**

# %%
from fpnlib.notes.fpn.explorers import after_fpn

after_fpn()

# %% [markdown]
# Here are the same nets in numbers, for an image of 512×512 and levels of $256$ channels. The last two columns count
# the convolutions from a cell of C3 to the coarsest output, along the shortest and the longest way.

# %%
from fpnlib.notes.fpn.experiments.successors import beside_fpn

print(beside_fpn())

# %% [markdown]
# - **RetinaNet's levels** cost weights, not products. P6 is made of all of C5's channels by a 3×3, which takes more
#   weights than all of FPN. But without P2, the largest map by far, it multiplies less than a third as much.
# - **PANet's path** doubles the weights and adds nearly half of FPN's products. What it buys is a way up. In FPN a fine
#   map tells the coarse ones something only through the backbone, and PANet's authors count how long that is: here up
#   to 29 convolutions, against 7 or 8 along the new path. That count follows the longest way. A ResNet has shortcuts,
#   and the shortest way to the top had 4 convolutions before; with the new path it has 5. So a short way was always
#   there. What is new is one that belongs to the neck, where it can learn to hand on what a detector needs without
#   changing the backbone.
# - **BiFPN** joins every level with every other one, for a tenth of FPN's products, and a third of those of RetinaNet's
#   neck, which has the same levels. The weighted add does not save them. *Separable* convolutions do: a 3×3 on each
#   channel by itself, and a 1×1 to mix them. EfficientDet has several such layers one after the other.
# - **Dilation** costs no weights and many products. With C4 and C5 at stride 8 they grow by nearly four times what
#   ResNet-50 needs. And look at the cells that are reached: after two dilated stages every other row and column stays
#   white, so two neighbours in C5 are made of different cells of C4. This is called *gridding*.
#
# Which of them finds more objects we did not measure. It depends on the data, as *Measure* below shows for FPN itself.
#
# The two new ideas are a few lines each. With equal weights the sum below is not equally like both maps, since one of
# them is louder. **Find weights with which it is.**

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
# **Shapes.** A ResNet's stem halves twice, and three stages halve once more. Each halving has $\lceil n / 2 \rceil$
# cells, so level $k$ has $\lceil n / 2^k \rceil$.

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
# First, a cell of C5 sees far more than its 32 pixels, most of it faintly. A large field alone is not the reason why
# coarse maps know what they see: more layers, and training, are. The field only says what they cannot know.
#
# Second, cell 0 of *every* level is centred on pixel 0. So cell $j$ of a level lies exactly on cell $2j$ of the finer
# one. Enlarging by nearest gives it to units $2j$ and $2j + 1$: right for the first, half a coarse cell off for the
# second. Bilinear enlarging in the usual convention (`align_corners=False`, half-pixel centres) places it between the
# two and is off by half a fine cell everywhere. Neither is exact, and the network learns around it.
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
# The names of the weights are torchvision's too. So if you have an official file,
# `resnet50().load_checkpoint("resnet50.pth")` reads it, and of a Faster R-CNN file
# `FPN((256, 512, 1024, 2048), 256).load_checkpoint(path)` takes the pyramid and
# `resnet50(num_classes=None).load_checkpoint(path)` the backbone. Keys that do not fit are named. Here is a file of the
# old kind, made on the spot.

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
# The claims of this note, with the test of each. All but that of FP-6 were fixed before measuring.

# %%
from fpnlib.claims import verdicts

verdicts("FP")

# %% [markdown]
# **Shapes and strides.** For ResNet-18 and ResNet-50 at six even and odd sizes, <span title="FP-1 n">48</span> maps in
# all, each C equals add and ReLU of its stage's last block, with a difference of exactly
# <span title="FP-1 effect">0</span>. <span title="FP-1 wrong_sizes_and_strides">0</span> sizes or strides are wrong. A
# cell of C5 sees <span title="FP-1 resnet18_field_5">435</span> pixels a side in ResNet-18 and
# <span title="FP-1 resnet50_field_5">427</span> in ResNet-50, whose last stage has three 3×3 and not four.
#
# **The recipe.** On sixty random pyramids ours differs from NumPy by rounding only, and on three from torchvision's
# recorded numbers by <span title="FP-2 torchvision_difference">5e-10</span> at most, which is the rounding of the file.
# <span title="FP-2 odd_steps">94</span> of the steps are to a size that is not twice the coarser one. On ResNet-50 the
# pyramid has <span title="FP-2 resnet50_parameters">3344384</span> weights.

# %% [markdown]
# ### What the top-down path is worth
#
# The paper's table says that without the top-down path small objects lose $14.4$ points of recall ($44.9$ to $30.5$,
# rows c and d). It is the field's claim and not the source's, which does not say what each part is worth. The paper's
# backbone was trained on ImageNet, and its objects are those of COCO. Our first criterion asked for such a loss in a
# small detector that learns our painted scenes from scratch. No loss was found, and the claim failed. But in those
# scenes an object's class and place are drawn apart from the background, so no object needs its surroundings, and the
# fine level sees all of a small one. Such a test cannot show what the path is for. Now FP-3 asks where it pays:
#
# - where the cue to the class lies beyond what P2 alone sees, and where it lies within;
# - with a small ResNet that is trained together with the pyramid, and with ImageNet's weights, which stay as they are;
# - for small objects, up to $32$ pixels, that need no cue: faces, coins, digits and coloured squares in scenes of $256$
#   pixels whose training and test share neither photos nor cut-outs.
#
# A gain counts if it is more than two nets that guess may differ by on as many test objects. The control: all nets must
# learn an object's own colour, and must be at chance where nothing tells the class. The criterion was fixed before the
# nets were trained. Eight seeds were enough, as they differ by so little.

# %%
from fpnlib.claims import Result
from fpnlib.notes.fpn.experiments.cue import accuracies

print(accuracies(Result.load("FP-3")))

# %% [markdown]
# **It depends on whether the fine level lacks something.** Beyond its field the path is worth
# <span title="FP-3 effect">0.52</span> (<span title="FP-3 low">0.51</span> to <span title="FP-3 high">0.52</span>) in
# accuracy, from a guess to nearly always right, and the mean does as well as the sum. Twice as much training without
# the path changes nothing (<span title="FP-3 longer_beyond">0.00</span>). Within its field the path brings nothing. On
# the frozen backbone the gain is <span title="FP-3 imagenet_beyond">0.30</span> beyond the field and
# <span title="FP-3 imagenet_within">-0.04</span> within.
#
# Of the cells of small objects without a cue a P2 on the frozen backbone names <span title="FP-3 small_full">58
# %</span> rightly with the path and <span title="FP-3 small_none">38 %</span> without it. This is nearest to what the
# paper did, and it agrees with the paper. Here two reasons come together: C2 of such a network comes after few layers,
# which were not trained to name anything; and a cell sees somewhat less than the largest of these objects. This test
# does not tell them apart.

# %% [markdown]
# **And if the backbone learns too?** A frozen C2 was never trained to name anything here, so one may think that the
# path only makes up for the freezing. FP-7 asks the same of a backbone that learns together with the pyramid. Its batch
# norm keeps ImageNet's statistics, as detectors have it, and on the collages its rate is a tenth of the pyramid's. The
# bounds are those of FP-3. The control is that learning must help: at least $0.025$ in mIoU, the bound of FP-4. A few
# nets of another seed had been trained and scored when all this was written down.

# %%
from fpnlib.notes.fpn.experiments.tuned import beside_frozen

print(beside_frozen(Result.load("FP-7")))

# %% [markdown]
# Learning is worth <span title="FP-7 miou_of_tuning">0.11</span> in mIoU, and it does not replace the path. Where the
# cue lies beyond its field, P2 without the path still guesses. Of the cells of small objects the path gains
# <span title="FP-7 tuned_gain">0.29</span> (<span title="FP-7 tuned_gain_low">0.27</span> to
# <span title="FP-7 tuned_gain_high">0.31</span>), where it gained <span title="FP-7 frozen_gain">0.20</span> on the
# frozen backbone: not as much, which FP-7 had asked for, but more. With the path the share grows from
# <span title="FP-7 frozen_full_small">58 %</span> to <span title="FP-7 tuned_full_small">70 %</span> when the backbone
# learns, without it from <span title="FP-7 frozen_none_small">38 %</span> to
# <span title="FP-7 tuned_none_small">41 %</span>. So it is not that C2's layers had not been trained for this: they are
# too few, or see too little.
#
# **What others found.** YOLOF made all levels out of C5 alone and lost little: the fine levels need what C5 knows, and
# their own laterals less. ViTDet makes its pyramid of the last map of a plain transformer, where every place has
# already seen the whole image, and needs neither laterals nor a top-down path.

# %% [markdown]
# ### A detector with one part left out
#
# Now the paper's whole table in miniature: six variants of the detector, <span title="FP-6 n">8</span> seeds each, with
# nearly as many weights and the same steps and images, but not as many multiplications. AR is the share of objects that
# are found, averaged over ten IoU thresholds from $.5$ to $.95$. Beside ours stands the paper's table 1: another task
# (proposals without classes), another net and another data set, so compare the order of the rows and not the numbers.
# These nets were trained for our first criterion, and their numbers were known when the present one was written. It
# asks for each part whether small objects lose more than two seeds differ by. The control is C5 alone, whose cells are
# larger than the objects.

# %%
from fpnlib.notes.fpn.experiments.ablation import beside_the_paper

print(beside_the_paper(Result.load("FP-6")))

# %% [markdown]
# **In these scenes laterals and fine levels are needed, and the top-down path is not.** Without the laterals the AR of
# small objects is lower by <span title="FP-6 gain_no_lateral_ar_small">0.21</span>, with C4 alone by
# <span title="FP-6 gain_c4_ar_small">0.20</span>, with C5 alone by <span title="FP-6 gain_c5_ar_small">0.23</span>.
# Full minus no top-down path is <span title="FP-6 gain_no_top_down_ar_small">-0.024</span>
# (<span title="FP-6 gain_no_top_down_ar_small_low">-0.035</span> to
# <span title="FP-6 gain_no_top_down_ar_small_high">-0.013</span>): where nothing needs its surroundings, and the fine
# maps learn what they need, nothing has to be handed down. The scenes on which this is measured share their cut-outs
# and background photos with those of the training.

# %% [markdown]
# ### Why the 3×3
#
# The source says that the 3×3 is there because features are noisy after they are added. We first put one question, and
# said that the claim holds, though the text had to add that the cause was not shown. Now there are four pyramids, with
# and without the top-down path, with and without the 3×3, eight seeds each, on the frozen backbone. They name the cells
# of the same scenes of $256$ pixels, and their maps are looked at on four photos that no training has seen. Two numbers
# stand for the noise:
#
# - the *fine energy*, the share of a map's energy in waves that the level above cannot hold;
# - the *shift error*: if the photo moves by one cell of a level, the map should move with it. What is left is given in
#   units of the map's own standard deviation.
#
# The control is a plain blur of M, which must lower both, and the top-down path, which must raise the mIoU.

# %%
from fpnlib.notes.fpn.experiments.smoothing import four_nets

print(four_nets(Result.load("FP-4")))

# %% [markdown]
# - **Adding makes the map less shift-equivariant**, by <span title="FP-4 error_of_adding">0.44</span>. A lateral alone
#   follows the shift exactly, as its 1×1 cannot do otherwise. The sum has no more fine energy than the lateral: sum
#   minus lateral is <span title="FP-4 share_of_adding">-0.20</span>, for what comes from above is coarse.
# - **The 3×3 smooths the sum.** The shift error falls by <span title="FP-4 error_fall">0.13</span> and the fine energy
#   by <span title="FP-4 share_fall">0.09</span>.
# - **The cause is not shown.** Where nothing was added the 3×3 takes away more fine energy,
#   <span title="FP-4 single_share_fall">0.26</span>, and it adds more to the mIoU:
#   <span title="FP-4 single_miou_gain">0.20</span>, against <span title="FP-4 added_miou_gain">0.04</span> after
#   adding. For it does a second thing: it lets a cell see its neighbours, which a lateral alone needs more than a sum
#   does. To tell the two apart one would have to give all four nets the same field.
#
# So the 3×3 does smooth, as the source says; that this is why it is there has not been shown.

# %% [markdown]
# ## Remember
#
# - A pyramid gives every level the same channels: 1×1 laterals, an enlarged map from above added to each, a 3×3 on the
#   sum.
# - The top-down path pays where the fine level lacks something: a cue beyond its field, or layers enough to name what
#   it sees. Where it sees and has learnt all it needs, the path adds nothing.
# - The 3×3 does smooth what adding roughens. That this is why it is there has not been shown: it also lets a cell see
#   its neighbours.

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
# - Y. Li, H. Mao, R. Girshick, K. He, *Exploring Plain Vision Transformer Backbones for Object Detection*, ECCV 2022:
#   ViTDet.
# - torchvision, `FeaturePyramidNetwork` and `resnet50`: names of the weights, and the numbers of the check.
# - *Another good page:* J. Hui, *Understanding Feature Pyramid Networks for object detection*, 2018. It follows FPN
#   on into Faster R-CNN and Mask R-CNN, head by head. Here it ends with the rule for the levels, and each part is taken
#   out and measured instead.
