# %% [markdown]
# # 04 · The feature pyramid
#
# **In one sentence:** a backbone's coarse maps know what they see and its fine maps know where; the feature pyramid
# (FPN) hands the coarse knowledge down, level by level, so that every level may know both.
#
# *One hour to read, two with the pictures and the exercises. [The padding pitfall](02-padding-pitfall.ipynb) explains
# strides and receptive fields; IoU, recall and AP come from [the first note](01-precision-recall.ipynb).* Run every
# cell first (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then
# the arrow keys.

# %% [markdown]
# ## Look
#
# Below, a photo goes through EfficientNet-Lite0, a small network that was trained on ImageNet. Out come four maps, C2
# to C5. A cell of C2 is four pixels wide. On each level above it a cell is twice as wide, has been through more layers,
# and has seen more of the photo. A pyramid turns the four maps into M2…M5, and those into P2…P5.
#
# A map has many channels. The colours stand for its first three principal components, the three mixtures of channels
# that vary most. So within a map equal colours mean similar features; from one map to the next they mean nothing.
#
# **First a guess.** P2 is as fine as C2. In C2 the cup has the colour of the plate under it. Will P2 tell them apart,
# and will its outlines be as sharp? **Go from C2 up to C5, and only then choose P and go down to P2.**

# %%
from fpnlib.notes.fpn.explorers import pyramid

pyramid(stage="C", level=2)

# %% [markdown]
# C2 shows edges and the grain of the wood. In C5 no edge is left, but cup, plate and table each have a colour of their
# own. P2 has both: cup and plate differ, and the outlines are sharp. M2 shows where that comes from: it has patches of
# colour as M5 has, and edges as crisp as those of C2.
#
# To be fair, this photo was a background of the scenes on which the pyramid was trained. The astronaut was not. Choose
# it, and P2 tells less: the helmet has the wall's colour.
#
# **Your own.** `pyramid("holiday.jpg")` takes your photo. `pyramid(backbone=net)` takes your network: one that returns
# a list or dict of maps, or any classifier, such as torchvision's or timm's. If you give it no pyramid, it makes an
# untrained one from principal components.

# %% [markdown]
# ### The architecture
#
# The pyramid is by Tsung-Yi Lin and colleagues; their article is *the paper* from here on. It added $2.3$ points of AP
# on COCO to a Faster R-CNN that had read a single map.
#
# **The image below is $640$ pixels wide, a multiple of thirty-two. Make it one pixel wider. Which steps would now go
# wrong if someone had written "twice as large"?**

# %%
from fpnlib.notes.fpn.explorers import architecture

architecture(width=640)

# %% [markdown]
# - **Left, the strides.** The image is halved twice before C2, and each later stage halves the map again. In a ResNet,
#   C is what leaves a stage after the last block's add and ReLU.
# - **1×1, the laterals.** They give every level the same number of channels. After that adding needs no weights; [note
#   07](07-add-vs-concat.ipynb) is about adding and its alternatives.
# - **Enlarging and adding.** M5 is C5's lateral. M4 is C4's lateral plus M5 enlarged, and so on down.
# - **3×3.** It makes P of M. One head, with the same weights, reads every P.
#
# All three enlargings would go wrong. At $641$ pixels M5 has $21$ columns, M4 has $41$, M3 $81$ and M2 $161$, so
# doubling gives one too many each time: the classic bug of this architecture. So do not enlarge *by two*; enlarge *to
# the size* of the finer map. Here is the whole pyramid, equal to the library's to the last bit, on an image with an odd
# side.

# %%
import torch
from torch.nn.functional import interpolate

from fpnlib.models import FPN, resnet50

net, fpn = resnet50(num_classes=None).eval(), FPN((256, 512, 1024, 2048), 256)
with torch.no_grad():
    c = net.stages(torch.rand(1, 3, 96, 131))
    m = [fpn.inner_blocks[3](c[3])]  # M5: the inner blocks are the 1×1
    for one_by_one, finer in zip(fpn.inner_blocks[2::-1], c[2::-1], strict=True):
        lateral = one_by_one(finer)
        m.append(lateral + interpolate(m[-1], lateral.shape[2:]))
    p = [smooth(level) for smooth, level in zip(fpn.layer_blocks, m[::-1], strict=True)]
    assert all(map(torch.equal, p, fpn(c)))
for k, (fine, level) in enumerate(zip(c, p, strict=True), 2):
    print(f"C{k} {tuple(fine.shape[1:])} → P{k} {tuple(level.shape[1:])}")

# %% [markdown]
# ### One step down
#
# Think of a map as a sum of waves, long and short. The shortest that it can hold is two cells long: half a cycle per
# cell, the *Nyquist frequency*. The level above has half as many cells along each side, so the shortest wave that it
# can hold has a quarter of a cycle per cell of *this* level. How strong a wave is, squared, is its *energy*.
#
# An enlarged map should have no waves that the small map could not hold. But if cells are copied, the edges of the
# copied blocks are such waves. The cell below says how much of the energy is in them. **How much will be left if it is
# enlarged by `"bilinear"`: nothing, a quarter of that, nearly all? Guess, then change it.**

# %%
enlarging = "nearest"  # change this to "bilinear"; the explorer below takes it too
torch.manual_seed(0)
small = torch.randn(1, 1, 32, 32)  # all waves that it can hold, equally strong
energy = torch.fft.fft2(interpolate(small, (64, 64), mode=enlarging))[0, 0].abs().square()
waves = torch.fft.fftfreq(64).abs()  # cycles per cell
finer = torch.maximum(waves[:, None], waves) > 0.25
print(f"{enlarging}: {energy[finer].sum() / energy.sum():.2f} of the energy is in finer waves")

# %% [markdown]
# Bilinear leaves about a quarter of the false detail, $0.07$ of the energy in place of $0.31$. Even so the paper,
# torchvision and Detectron2 enlarge by nearest. Whether it matters once a 3×3 has been trained to follow, we have not
# measured.
#
# The paper calls it the aliasing of upsampling, and gives it as the reason for the 3×3 that follows. Below is one
# addition on the photo: the lateral, the level above, their sum M, and P. One channel is shown; the curves are over all
# of them. The white half of the chart has the waves that the level above can hold, the grey half those that it cannot.
#
# **Move the top-down term from none to twice. Does the share of the sum in the grey half rise or fall?**

# %%
from fpnlib.notes.fpn.explorers import top_down_step

top_down_step(mix=0, channel=5, upsampling=enlarging)

# %% [markdown]
# It falls. Without the term the sum is the lateral: detail without context, with energy at all waves. What comes from
# above is mostly long waves, false detail included.
#
# Neither way of enlarging puts values where they belong. In a ResNet cell $0$ of *every* level is centred on pixel $0$,
# so cell $j$ lies exactly on cell $2j$ of the finer level. Nearest copies it into cells $2j$ and $2j + 1$: right for
# the first, half a coarse cell off for the second. Bilinear as it is usually computed, with half-pixel centres, places
# it between the two and is off by half a fine cell everywhere.

# %% [markdown]
# ### With one part left out
#
# A small one-stage detector in the manner of FCOS reads the pyramid: every cell says which class lies there, where its
# box is, and how good that box is. It was trained from scratch on painted scenes of $128$ pixels, whole and with one
# part or another left out. What remained was widened to make up for it, so all nets have the same number of weights
# within five per cent.
#
# Only boxes above the chosen score are drawn. The strip on the right shows the scores of all; drag its line to choose.
# The chart above it has the *average recall*, AR: the share of objects found by a hundred boxes, averaged over ten IoU
# thresholds from $.5$ to $.95$, here in $256$ scenes and over eight seeds.
#
# **Guess: laterals, top-down path, 3×3, levels finer than C4. Which of them can this detector lose without losing small
# objects? Then choose one net after the other, and compare its orange dots with the full pyramid's grey ones.**

# %%
from fpnlib.notes.fpn.explorers import detections

detections()

# %% [markdown]
# The top-down path, of all things. Without it small objects are not lost, there are even a few more:
# <span title="FP-6 no_top_down_ar_small">24.9 %</span> in place of <span title="FP-6 full_ar_small">22.6 %</span>, and
# medium and large ones gain as well. Without the 3×3 about three points are lost. Without the laterals, or with C4
# alone, nearly all is lost. C5 alone finds no small object in any of these scenes, however far you lower the score: all
# you get is more and more wrong boxes.
#
# (`detections("street.jpg")` takes your photo, but the detector is tiny and knows six kinds of object. Its training and
# test scenes share cut-outs and backgrounds.)
#
# Now the paper's table beside ours. Its task is another one (proposals without classes), it counts a thousand boxes
# where we count a hundred, and net and data differ too. So compare the order of the rows, not the numbers.

# %%
from fpnlib.claims import Result
from fpnlib.notes.fpn.experiments.ablation import beside_the_paper

print(beside_the_paper(Result.load("FP-6")))

# %% [markdown]
# For small objects the two orders agree except for one row. In the paper the net without the top-down path loses $14.4$
# points and falls below C4 alone; here it comes first. But look at the last column. For large objects the paper's net,
# too, is better without the path: 68.0, against 66.2 with it. (P2 alone, in the last row, has the path but no further
# levels; for small objects it lies between the full pyramid and C4.)
#
# The authors suspect that without the path there are "large semantic gaps" between levels, above all in very deep nets.
# That may explain what they lost, but not why we lost nothing. So what is the path good for, and when?

# %% [markdown]
# ### What the top-down path hands down
#
# Here is an object that cannot be told by its looks: a grey disc. It is amber or blue, two classes, and only a square
# somewhere beside it has that colour. The network has to name the class from the disc's own cell of P2. On the left is
# one example; the disc, hard to make out, is in the middle of the frame, which holds all that P2 alone can see from
# there. Each point on the right is for networks that were trained and tested with the square at that distance, and says
# how often they were right.
#
# **Look at the frame and guess: how far can the square go before the net without the path fails, and how badly will it
# fail? Then move the square away. Guess again for a frozen backbone: will there be such a cliff, and will the net with
# the path still always be right? Then choose that backbone.**

# %%
from fpnlib.notes.fpn.explorers import cue_distance

cue_distance()

# %% [markdown]
# As long as the square begins inside the frame, both nets are always right. One step further the net without the path
# can only toss a coin. From there on the path is worth <span title="FP-3 effect">0.52</span>
# (<span title="FP-3 low">0.51</span> to <span title="FP-3 high">0.52</span>) in accuracy. What P2 does not see it
# cannot know, however long it trains: twice as much training changed nothing. With the path it knows, since the coarse
# levels see the whole picture. (Averaging the lateral and the level above, in place of adding them,
# does as well.)
#
# On the frozen backbone, too, nothing beyond the frame is known without the path. With it most objects are classified
# correctly, at $30$ pixels <span title="FP-3 imagenet_full_30">80 %</span>, but not all: the frozen coarse maps were
# made for other things. And at $6$ pixels, where P2 sees the square for itself, the path costs a little: without it
# <span title="FP-3 imagenet_none_6">100 %</span> are right, with it <span title="FP-3 imagenet_full_6">96 %</span>.

# %% [markdown]
# ## Measure
#
# Grey discs and coloured squares are a toy. What of small objects that need no cue? The same claim, FP-3 in the list
# below, asks that as well, with faces, coins, digits and plain patches of colour of up to $32$ pixels, in scenes of
# $256$ pixels whose training and test share neither photos nor cut-outs. On ImageNet's frozen weights P2 classifies
# <span title="FP-3 small_full">58 %</span> of the cells of small objects correctly with the path, and
# <span title="FP-3 small_none">38 %</span> without it.
#
# **And if the backbone learns too?** Perhaps the path only makes up for the freezing. Before FP-7 was measured, though
# after a few trial nets, we wrote down that the path would be worth as much as before, within $0.05$. That failed: it
# is worth more. The gain grows from <span title="FP-7 frozen_gain">0.20</span> to
# <span title="FP-7 tuned_gain">0.29</span> (<span title="FP-7 tuned_gain_low">0.27</span> to
# <span title="FP-7 tuned_gain_high">0.31</span>). A backbone that learns helps P2 a lot if it has the path
# (<span title="FP-7 tuned_full_small">70 %</span>), and hardly at all if it has not
# (<span title="FP-7 tuned_none_small">41 %</span>).
#
# Batch norm kept ImageNet's statistics, as is usual in detectors, and the backbone's rate was a tenth of the pyramid's.
# Whether C2 has too few layers for the task, sees too little or learns too slowly, the test does not tell.

# %% [markdown]
# ### When the path pays
#
# Side by side the answers do not contradict each other.
#
# - *The cue lies beyond the field* (FP-3): P2 cannot know the class. The path turns guesses into answers.
# - *Small objects on ImageNet's backbone* (FP-3, FP-7): C2 comes after few layers, and a cell of P2 sees $27$ pixels,
#   fewer than the largest of these objects have. The path is worth a lot, frozen or not.
# - *The paper*: there too C2 comes after few layers of a pretrained network. Small objects gain much; large ones, which
#   are read from coarse levels, lose a little.
# - *The cue lies within the field* (FP-3): P2 sees what it needs. The path is worth nothing or costs a little.
# - *Our detector* (FP-6): a cell of P2 sees $35$ pixels, where a small object has at most $16$ and needs no
#   surroundings. P2 cannot profit from a wider view, and the path costs a little. Why it costs anything we have not
#   tested.
#
# Data and tasks differ too, so this is a reading and no proof. It says: build the path in unless you know that your
# fine level lacks nothing.
#
# **What others found.** Laterals are not always needed either. YOLOF's authors made all levels out of C5 alone and lost
# less than a point of AP on COCO; but their C5 has $2048$ channels of a deep pretrained network, and ours $64$. A
# pyramid, they conclude, is good for giving objects of different sizes different levels. ViTDet makes its pyramid of
# the last map of a plain transformer, where every place has seen the whole image, and needs neither laterals nor a
# top-down path.

# %% [markdown]
# ### Why the 3×3
#
# The paper says that the 3×3 reduces the aliasing of upsampling. *The source*, one learner's notes from which this book
# grew, says that features are noisy after they are added. FP-4 takes four pyramids, with and without the top-down path,
# with and without the 3×3, on the frozen backbone. They classify the cells of the scenes of $256$ pixels; then we look
# at their maps of four photos that no training has seen. Two numbers stand for the noise:
#
# - the *fine energy*, the share of a map's energy in waves that the level above cannot hold;
# - the *shift error*: if the photo moves by one cell of a level, the map should move with it. What is left between the
#   two is the error, in units of the map's own standard deviation.
#
# If the 3×3 is there to repair the sum, it should raise the mIoU, the mean IoU over the classes, most where something
# was added.

# %%
from fpnlib.notes.fpn.experiments.smoothing import four_nets

print(four_nets(Result.load("FP-4")))

# %% [markdown]
# - **What comes from above cannot follow the shift.** One cell of this level is half a cell of the level above, so the
#   error is next to nothing in the lateral and large in the sum. It comes from the enlarging.
# - **The 3×3 smooths the sum.** From M to P the shift error falls, by <span title="FP-4 error_fall">0.13</span>, and so
#   does the fine energy. A fixed blur lowers the error even further.
# - **That this is what it is for is not shown.** Where nothing was added the 3×3 is worth more, not less:
#   <span title="FP-4 single_miou_gain">0.20</span>, against <span title="FP-4 added_miou_gain">0.04</span> after
#   adding. For it also does something else: it lets a cell see its neighbours, which a lateral alone needs more than a
#   sum does. To tell the two apart, one would have to give all four nets the same field.

# %% [markdown]
# ### The claims
#
# Each line opens. FP-1 and FP-2 check that our code is the paper's recipe, down to torchvision's own numbers. The
# bounds of FP-6 were fixed when its numbers were known, all others before. FP-3, FP-4 and FP-6 replace earlier tests,
# which could not show what they were meant to show.

# %%
from fpnlib.claims import verdicts

verdicts("FP")

# %% [markdown]
# ## Further
#
# ### Which level for which object
#
# A two-stage detector such as Faster R-CNN cuts a crop out of the pyramid for every object, and has to choose the
# level. The paper's rule takes the side of the box, $\sqrt{w h}$, and goes up one level whenever it doubles:
#
# $$k = \left\lfloor 4 + \log_2 \frac{\sqrt{w h}}{224} \right\rfloor$$
#
# $224$ is the side of the images on which backbones are trained. Boxes too small for P2 go to P2 all the same, and
# boxes too large for P5 to P5. One-stage detectors take no crops, but in training some level must answer for each box.
# RetinaNet and FCOS decide by sizes as well, and our small detector by this very rule; it counts from $32$ pixels,
# since its scenes are small.
#
# **Make the box larger until the frame moves. How many cells does it then cover on its own level?**

# %%
from fpnlib.notes.fpn.explorers import level_assignment

level_assignment()

# %% [markdown]
# $14$ a side: a square object between $56$ and $896$ pixels always has $14$ to $28$ on its level. That suits RoIAlign,
# which cuts the box into 7×7 bins, whatever its size, and takes 2×2 samples of each. On P5 a small object has less than
# a cell, so all of its bins are nearly the same. On P2 a large one has a hundred a side, most of which the samples
# miss.

# %% [markdown]
# ### What came after
#
# Many detectors since have a *neck*, layers between backbone and head, that is FPN with one thing changed:
#
# - **RetinaNet** leaves P2 out and puts P6 and P7 on top, for large objects.
# - **PANet** adds a second path, upwards. Its N2 is P2; each further N is the N below, made half as large, plus the P
#   of its own level.
# - **BiFPN**, EfficientDet's neck, goes down and up as well, and learns how much each map counts when it adds.
# - **Dilated backbones**, as in DeepLab, need no neck. Where a stage would halve the map they keep it large, and spread
#   the nine weights of a 3×3 further apart. They came before FPN, and segmentation still uses them.
#
# Below, all of them sit on a ResNet-50. A row is a level. Follow one cell of the backbone; the dot at the left
# chooses its level. The maps at the bottom are the outputs. Orange cells are those that it can influence; the deeper
# the orange, the more paths lead there.
#
# **You see where a cell of C5 goes. FPN's arrows lead down: can an edge that C2 has seen get up to P5? Choose C2. Then
# choose PANet with the same cell, and tick *through the backbone too* to see what was possible before.**

# %%
from fpnlib.notes.fpn.explorers import after_fpn

after_fpn(level=5)

# %% [markdown]
# In FPN's own layers the edge gets no further than P2; only the backbone carries it up.
#
# - **RetinaNet's levels** cost weights and save multiplications. P6 is made of all of C5's channels by a 3×3, which
#   takes more weights than all of FPN. But without P2, the largest map by far, it multiplies less than a third as much.
# - **PANet's path** doubles the weights. It does not shorten the way: through the backbone's shortcuts P5 was $5$
#   convolutions away already, and PANet's own top lies $8$ away. What is new is a way inside the neck, where it can
#   learn what to hand on without changing the backbone.
# - **BiFPN** lets every level reach every other one, for a tenth of FPN's multiplications. The weighted add does not
#   save them. *Separable* convolutions do: a 3×3 on each channel by itself, and a 1×1 to mix them.
# - **Dilation** costs no weights and many multiplications. With C4 and C5 at stride eight they grow by more than three
#   and a half whole ResNet-50s. And choose that net with a cell of C4, *through the backbone*: every other row and
#   column stays white, so two neighbours in C5 are made of different cells of C4. This is called *gridding*.
#
# Which of them finds more objects we did not measure.

# %% [markdown]
# ## Remember
#
# - A pyramid gives every level the same channels: 1×1 laterals, the map above enlarged *to the lateral's size* and
#   added, a 3×3 on the sum.
# - The top-down path pays where the fine level lacks something: a cue beyond its field, or layers enough to recognise
#   what it sees. Where it lacked nothing, the path brought nothing or cost a little.
# - The 3×3 smooths what enlarging brings into the sum. But it helps even more where nothing was added, since it also
#   lets a cell see its neighbours.

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
from fpnlib.explore import source
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
# | dilated convolution | 空洞卷积 | a kernel whose weights lie some cells apart |
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
# - L.-C. Chen et al., *DeepLab*, TPAMI 2018: dilation.
# - F. Yu, V. Koltun, T. Funkhouser, *Dilated Residual Networks*, CVPR 2017: gridding.
# - K. He et al., *Mask R-CNN*, ICCV 2017: RoIAlign.
# - M. Tan and Q. Le, *EfficientNet*, ICML 2019. Its authors' code has the Lite variants, made for small devices.
# - Q. Chen et al., *You Only Look One-level Feature*, CVPR 2021: YOLOF.
# - Z. Tian et al., *FCOS: Fully Convolutional One-Stage Object Detection*, ICCV 2019.
# - Y. Li, H. Mao, R. Girshick, K. He, *Exploring Plain Vision Transformer Backbones for Object Detection*, ECCV 2022:
#   ViTDet.
# - torchvision, `FeaturePyramidNetwork` and `resnet50`: names of the weights, and the numbers of FP-2.
# - *Another good page:* J. Hui, *Understanding Feature Pyramid Networks for object detection*, 2018. It follows FPN on
#   into Faster R-CNN and Mask R-CNN, head by head. This note stops before the heads; instead each part is taken
#   out and measured.
