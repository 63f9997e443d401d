# %% [markdown]
# # 08 · What is hard in semantic segmentation
#
# **In one sentence:** the source (one learner's notes, from which this book grew) gives a dozen reasons why labelling
# every pixel is hard; this note measures each, on real photos where one can tell and with small trained nets where it
# takes training, and finds that not all of them hold.
#
# *An hour and a half. [The segmentation head](03-segmentation-head.ipynb) introduces the task.* Run every cell first
# (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then the arrow
# keys.

# %% [markdown]
# ## Look
#
# The photo shows a café with nineteen labelled instances: people, chairs, tables, bottles. In orange are the pixels
# that an answer gets wrong. The photo and its labels are from PASCAL VOC, a well-known set. VOC leaves a thin
# unlabelled border around each object; our copy of the labels counts it as background, so objects here are a little
# thinner than they look. The first error is the mildest there is: every object is one pixel too large.
#
# **Move the boundaries from one pixel to six. Then choose one wrong region of the same area.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import thin_or_region

thin_or_region()

# %% [markdown]
# Three things to see.
#
# - The thin line costs few pixels, but mIoU falls a good deal. mIoU gives every class the same weight, and the chairs
#   are mostly boundary.
# - One wrong region of the same area costs less mIoU here. It lies in a large object of a large class.
# - Boundary IoU looks only at the pixels near a boundary, and so it falls most for the thin line.
#
# The source says it the other way round: a line of one or two pixels hardly shows in the score. The test is below,
# under *Measure*.

# %% [markdown]
# ### Two means
#
# Six generated scenes with their true labels. One class is lost in one of them, and nothing else is wrong.
#
# **Go through the images with the class that each holds. Which number falls more, and when?**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import dataset_or_image

dataset_or_image()

# %% [markdown]
# Lose the small package of the first image, and dataset-mIoU hardly moves, as the class has many other pixels. That
# image's own mean falls by half, and image-mIoU, the mean of the six, by a sixth of that. Lose half of the large bottle
# in the third, and it is the other way round.
#
# Your own label maps work too: `dataset_or_image(targets, names)` takes two to six of one size.

# %% [markdown]
# ### One photo, three tasks
#
# A *semantic* answer gives each pixel a class. An *instance* answer gives each thing a mask and says nothing of the
# rest. A *panoptic* answer does both, and panoptic quality, PQ, scores it. Here each answer is made from the truth.
#
# **Go through the four answers. Then make the things too small, one pixel at a time, and watch the thin ones.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import three_tasks

three_tasks()

# %% [markdown]
# In the semantic answer the people are one segment, and no person covers more than half of it. So none is found. Taking
# each connected piece for a thing finds people, but it also takes stray pieces for people. Choose the other photo, the
# *bin*: there the semantic answer is perfect. It holds one thing of each class, so there a class *is* a thing.
#
# The photo is shown, and scored, at every second pixel, the bin at every third. So a pixel here is two or three of the
# photo's.

# %% [markdown]
# ### Masks in boxes
#
# Instance segmentation often finds a box first and a mask inside it. What the box cuts off is lost, however good the
# mask is.
#
# **Move the box to the right, one per cent at a time, and watch the dot.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import box_limited_mask

box_limited_mask()

# %% [markdown]
# A box that is too large cuts nothing off. A box that is shifted does. So boxes of the same IoU allow very different
# masks, and the dots are scattered.

# %% [markdown]
# ### Coarse grids
#
# Most networks answer on a grid that is coarser than the image, by the *output stride*. Here a true mask goes down to
# such a grid, as each cell's share, and comes back enlarged and cut at one half. That is what is left of a perfect
# coarse answer.
#
# **Choose the largest stride, then the smallest. Watch the small objects on the left of the chart.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import stride_ceiling

stride_ceiling()

# %% [markdown]
# An object of about one cell vanishes: no cell is half full. A thin one vanishes even if it covers many cells: one
# chair of some two hundred pixels is lost at stride four. That is the ceiling of *this* way back. A decoder that sees
# finer features can do better, and that is what decoders are for.

# %% [markdown]
# ### A CRF after the net
#
# A trained net says of each pixel how likely each class is. A fully connected *conditional random field*, CRF, then
# lets every pixel heed every other one: the more, the nearer it lies and the more alike its colour is. The net reads
# EfficientNet-Lite0's frozen maps and learnt on generated scenes. It never saw these six.
#
# There are two kernels. *Near and alike* looks at place and colour; σ of near and σ of alike say how far each reaches.
# *Near alone* only smooths. The settings are those tuned for the strong net, and some weight of *near alone*, which the
# tuning had set to zero.
#
# **Set the iterations to none, then to one, then to more. Then make it heed unlike colours too, σ of alike at its
# highest.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import crf

crf()

# %% [markdown]
# The boundaries snap to where colours change. So thin things come back that the coarse grid had lost, as long as their
# colour sets them apart. Where it does not, they go, and in some of these scenes mIoU falls. (The scene is shown in
# grey; the CRF sees its colours.) Try the weak net too: the CRF sharpens what is there, but it cannot find what the net
# did not see.

# %% [markdown]
# ### Superpixels
#
# Superpixels are small regions of similar colour. SLIC finds them without any label. If each could take the label that
# most of its pixels have, how many pixels would be right? And what if a net's logits are averaged over each?
#
# **Take fewer and fewer superpixels. Watch the best possible, then the pooled net.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import superpixels

superpixels()

# %% [markdown]
# The grey bar is the control: the same regions, moved to another place of the image. Averaging over any region smooths
# the logits, and in this scene even that helps a little; in the others it does not. Regions that fit the image do
# better. With too few, even they mix objects.

# %% [markdown]
# ### A few labels
#
# To draw a full mask takes a person far longer than a scribble. Here is an instance with a few labelled pixels, or with
# its box, and three ways to get a mask from them: a random walk that shuns edges, a graph cut and a CRF with colour
# models of both sides. Nearest label is the control: it does not look at the image. Half of the labelled pixels lie on
# the object, half beside it. A large instance is shrunk to seventy-two pixels, and the two smallest are left out.
#
# **Give it more and more labelled pixels. Then let another hand draw them.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import weak_labels

weak_labels()

# %% [markdown]
# More labels do not always help one object: where the line happens to fall matters as much. The means over all
# seventeen instances and hands, which the chart shows for scribbles, do rise.

# %% [markdown]
# ### Neighbours that share what they see
#
# Each pixel's answer is read from one place of a feature map. Nothing makes two neighbours agree, except that they see
# nearly the same. The frames are the receptive fields of two units of EfficientNet-Lite0, trained on ImageNet. The
# colour is what each really looks at, the gradient of its response.
#
# **Move the second unit away. Then choose a finer map, and a coarser one.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import shared_fields

shared_fields()

# %% [markdown]
# The coarser the map, the more neighbours share. On the coarse maps the fields are larger than the photo, so their
# frames are out of sight. What the units look at is much less: half of it lies near the middle. So the tie is looser
# than the receptive fields suggest. (A gradient tells what a small change of a pixel would do, on this photo.)
#
# Your own photo works too: `shared_fields("holiday.jpg")`.

# %% [markdown]
# ## Why
#
# **Two means.** Over the *dataset*, all pixels of all images are counted in one table, and each class gets one IoU:
#
# $$\text{mIoU} = \frac{1}{C} \sum_c \frac{\sum_i |P_{ic} \cap T_{ic}|}{\sum_i |P_{ic} \cup T_{ic}|}$$
#
# Here $P_{ic}$ are the pixels of image $i$ that are called $c$, $T_{ic}$ those that are $c$. By *image*, each image
# has its own mean and these are averaged. Then a small object in one image counts as much as a large one in another.

# %%
from fpnlib.explore import source
from fpnlib.metrics import mean_iou

source(mean_iou)

# %% [markdown]
# **One mean-field step.** Each pixel begins again with the net's own word, the *unary* term $u_i(l) = -\log p_i(l)$.
# For each label it adds what the other pixels believe of that label:
#
# $$Q_i(l) \propto \exp\Big(-u_i(l) + w \sum_j k_{ij} Q_j(l)\Big)$$
#
# The kernel $k_{ij}$ is large for near and alike pixels, $w$ is its weight. In the *Potts* model only equal labels
# support each other.

# %% [markdown]
# **Panoptic quality.** A predicted and a true segment match if their IoU is above one half. No segment can have two
# partners then, as both would have to cover more than half of it. With $TP$ matched pairs, $FP$ and $FN$ segments left
# over,
#
# $$\text{PQ} = \underbrace{\frac{\sum_{TP} \text{IoU}}{TP}}_{\text{SQ}} \cdot
# \underbrace{\frac{TP}{TP + \frac12 FP + \frac12 FN}}_{\text{RQ}}$$
#
# so it is the product of how well segments fit and how well they are found. Void pixels, which have no label, and
# crowds, groups labelled as one, need a rule each, and these are the panoptic API's.

# %%
from fpnlib.metrics import panoptic_quality

source(panoptic_quality)

# %% [markdown]
# ## Check
#
# The numbers of this note against libraries that others keep. The tests of this repository do the same on many random
# label maps.

# %%
import numpy as np
from scipy import ndimage
from sklearn.metrics import confusion_matrix, jaccard_score

from fpnlib.metrics import boundary_iou
from fpnlib.metrics import confusion_matrix as ours
from fpnlib.notes.segmentation_difficulties.masks import cafe, shifted_boundaries

labels = cafe().class_map
wrong = shifted_boundaries(labels, 1)
flat = labels.flatten().numpy(), wrong.flatten().numpy()
assert (ours(wrong, labels, 21).numpy() == confusion_matrix(*flat, labels=range(21))).all()
assert abs(mean_iou([wrong], [labels], 21) - jaccard_score(*flat, average="macro")) < 1e-12
square = np.ones((3, 3), bool)
for mask in cafe().masks.numpy():
    band = [one & ~ndimage.binary_erosion(one, square, 3) for one in (np.roll(mask, 2, 1), mask)]
    expected = (band[0] & band[1]).sum() / (band[0] | band[1]).sum()
    assert abs(boundary_iou(np.roll(mask, 2, 1), mask, distance=3) - expected) < 1e-12
print(
    "confusion matrix and mIoU equal scikit-learn's, "
    "boundary IoU equals SciPy's erosions on 19 masks"
)

# %% [markdown]
# Receptive fields tie pixels together in a network that is *used*. While it is *trained*, batch normalisation ties all
# pixels to all, through the mean and the variance. Change one pixel and count the units beyond the fields that hold it.

# %%
import torch
from torch import nn

from fpnlib.ops import receptive_field

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1)
).double()
image = torch.rand(1, 1, 32, 32, dtype=torch.float64)
changed = image.clone()
changed[..., 16, 16] += 1
reach = receptive_field(net).size // 2
with torch.no_grad():
    for mode in (False, True):
        net.train(mode)
        moved = (net(changed) != net(image)).any(1)[0]
        moved[16 - reach : 17 + reach, 16 - reach : 17 + reach] = False
        print(
            "training:" if mode else "in use:  ",
            int(moved.sum()),
            "units beyond the fields have changed",
        )

# %% [markdown]
# ## Measure
#
# The claims of this note, with the tests that were fixed before measuring. The settings of CRF, superpixels and edges
# were tuned before, on scenes and a photo that no claim uses.

# %%
from fpnlib.claims import verdicts

verdicts("SD")

# %% [markdown]
# **Ties between pixels.** One pixel of an image was changed at a time. Of <span title="SD-1 n">1020</span> pairs of a
# pixel and a unit of a ResNet-18, <span title="SD-1 outside">549</span> lie outside the unit's receptive field, nearly
# all on the finest map; on the two coarsest every field holds the whole image. In <span title="SD-1 effect">0</span> of
# them the unit answered. Two neighbours' fields share <span title="SD-1 shared_5">0.93</span> of their width on the
# coarsest map and <span title="SD-1 shared_2">0.91</span> on the finest. So "each on its own" is true of the answers,
# while what they can be read from is nearly the same. The network was random and in use, not in training.
#
# **Boxes.** A tight box allows the whole mask, <span title="SD-4 perfect">1</span>. Over
# <span title="SD-4 n">309</span> random boxes of an IoU between seven and eight tenths, which most would call good,
# the best mask loses <span title="SD-4 effect">0.099</span> of its pixels on average, and in the worst case keeps
# <span title="SD-4 lowest">0.55</span>. A box that is only too large loses nothing.
#
# **Three tasks.** Each answer here is made from the truth, so what it loses the task itself cannot say. A semantic
# answer is one segment per class: its PQ is <span title="SD-5 semantic">0.49</span>, and for the
# <span title="SD-5 people">7</span> people it is <span title="SD-5 person_semantic">0</span>, as one segment of all
# has an IoU of one half with none of them. An instance answer has nothing for the background, which costs that class:
# <span title="SD-5 instance">0.8</span>. (The photo's labels know only one kind of stuff, the background.) Whether the
# panoptic task is *the* task is a matter of taste, and no measurement.
#
# **Thin lines: the saying fails.** Boundaries off by one pixel cost <span title="SD-7 grown_1_miou">0.17</span> of mIoU
# when objects grow and <span title="SD-7 shrunk_1_miou">0.2</span> when they shrink; off by two it is up to
# <span title="SD-7 effect">0.27</span>. One wrong region of the same area as the line of one pixel costs
# <span title="SD-7 grown_1_region_miou">0.061</span> and <span title="SD-7 shrunk_1_region_miou">0.052</span>. Of the
# share of right pixels the saying is about true, for a line of one pixel is only
# <span title="SD-7 grown_1_area">0.052</span> of the pixels when objects grow. Of mIoU it is not. Why it fails is
# looked at below, and what the missing void border has to do with it.
#
# **Two means.** On <span title="SD-8 n">120</span> scenes one predictor misses every object below 20 pixels, another
# finds all but makes each a pixel smaller. By dataset-mIoU the first is better,
# <span title="SD-8 missing_dataset">0.955</span> to <span title="SD-8 shrunk_dataset">0.874</span>. By image-mIoU the
# second is, <span title="SD-8 shrunk_image">0.75</span> to <span title="SD-8 missing_image">0.70</span>. We chose these
# two errors because they pull apart; how often real networks do, this does not say.
#
# **Strides.** On the 19 masks the mean IoU that comes back is <span title="SD-9 bilinear_4">0.71</span> at stride four
# and <span title="SD-9 bilinear_32">0.32</span> at thirty-two. For the larger half of the objects it falls from
# <span title="SD-9 bilinear_4_large">0.96</span> to <span title="SD-9 bilinear_32_large">0.61</span>, for the smaller
# half from <span title="SD-9 bilinear_4_small">0.43</span> to <span title="SD-9 bilinear_32_small">0</span>. How the
# map is enlarged matters less: at stride sixteen bilinear gives <span title="SD-9 bilinear_16">0.47</span> and nearest
# <span title="SD-9 nearest_16">0.45</span>.
#
# **Old methods: the saying fails our bound.** A graph cut finds the lowest energy: on <span title="SD-10 n">5</span>
# grids small enough to try every labelling the difference is <span title="SD-10 effect">0</span> up to rounding. But
# <span title="SD-10 achievable_800">0.91</span> of the photo's pixels is the most that eight hundred superpixels allow,
# where we had asked for ninety-five in a hundred; with a hundred it is <span title="SD-10 achievable_100">0.81</span>.
# The labels' thin border that counts as background, and thin chair legs, are likely reasons.

# %%
from fpnlib.notes.segmentation_difficulties import context, nets

print("output strides:", *nets.OUTPUT_STRIDES)
print("scenes:", nets.SIZE, "pixels wide")
print("parameters of a head:", sum(p.numel() for p in nets.Head().parameters()))
print("receptive fields of the four nets below:", *map(context.reach, context.DILATIONS))

# %% [markdown]
# The other claims need nets that were trained. They are small: two 1×1 convolutions on EfficientNet-Lite0's frozen
# maps, brought to one grid. At output strides 32, 16 and 8 the head reads the same maps with the same parameters. Each
# of <span title="SD-2 n">16</span> seeds has its own first weights, its own order of training scenes and its own two
# dozen test scenes, 128 pixels wide. "Weak" is output stride 32, "strong" is 8.
#
# **A CRF raises the score**: mIoU by <span title="SD-2 strong_crf_miou_gain">0.052</span> for the strong net and by
# <span title="SD-2 weak_crf_miou_gain">0.023</span> for the weak one. Boundary IoU goes from
# <span title="SD-2 strong_plain_boundary">0.098</span> to <span title="SD-2 strong_crf_boundary">0.23</span> and from
# <span title="SD-2 weak_plain_boundary">0.023</span> to <span title="SD-2 weak_crf_boundary">0.069</span>. The scenes
# flatter it: objects are pasted, and their colours end where they do. The tests of this repository compare our mean
# field with one that visits every pair of pixels.
#
# **Superpixels** raise the strong net's mIoU by <span title="SD-11 strong_pooled_miou_gain">0.024</span>, and its
# boundary IoU by <span title="SD-11 strong_pooled_boundary_gain">0.11</span>. The weak net's mIoU they do not change by
# more than chance, <span title="SD-11 weak_pooled_miou_gain">0.0005</span>, so the verdict is *depends*. Regions from
# elsewhere lower both nets' mIoU; the strong one's changes by
# <span title="SD-11 strong_control_miou_gain">-0.078</span>.
#
# **Output stride.** From 32 to 16 mIoU rises by <span title="SD-13 miou_gain_32_16">0.14</span>, from 16 to 8 by
# <span title="SD-13 miou_gain_16_8">0.038</span>. Of a large object's pixels <span title="SD-13 large_32">0.36</span>
# are right at the coarsest and <span title="SD-13 large_8">0.61</span> at the finest; of a small one's
# <span title="SD-13 small_32">0.021</span> and <span title="SD-13 small_8">0.068</span>. Small is a longer side below
# twelve pixels, large one from thirty-two: a finer grid alone does not save the small. (One run with two seeds had been
# seen before this test was written.)
#
# **Edges as a cue: it fails here.** The coarse answer is a perfect one at stride 16, with noise. What it is not sure
# of, HED's edges decide. Boundary IoU changes by <span title="SD-3 effect">-0.0082</span>. The edges do help against
# the same flooding without edges, by <span title="SD-3 over_flat_16">0.012</span>, and at stride 32 they beat the plain
# answer, by <span title="SD-3 gain_32">0.04</span>. A likely reason is the labels: our copy counts the thin border that
# VOC leaves unlabelled as background, so an edge in the right place lies outside them. *Flooding* spreads the sure
# labels over the unsure pixels, across weak edges first, until they meet. How sure is sure was tuned on the bin, where
# the edges help. This is one photo; the CRF and the superpixels above use colour as their cue, and that helped.
#
# **Few labels.** With sixty-four scribbled pixels an instance a random walker's mask has an IoU of
# <span title="SD-6 scribbles_64_random_walker">0.26</span>, taking the nearest label
# <span title="SD-6 scribbles_64_nearest_label">0.21</span>. The gain of <span title="SD-6 effect">0.049</span> has our
# bound, a twentieth, inside its interval: *depends*. As many single points, spread over the object, give
# <span title="SD-6 points_64_random_walker">0.5</span>. A box alone gives
# <span title="SD-6 box_4_random_walker">0.38</span>. Graph cut and CRF with colour models do worse here; with points
# they are even below the nearest label, <span title="SD-6 points_64_graph_cut">0.33</span> and
# <span title="SD-6 points_64_CRF">0.29</span> against <span title="SD-6 points_64_nearest_label">0.4</span>. The
# numbers are low, as many of the café's instances are thin or half hidden. The settings of the three methods were not
# tuned.
#
# **Context.** The saying: today's segmentation classifies the patch inside the receptive field. Then a class that its
# own pixels do not tell must gain from a larger field. Patches of texture lie on a background. Two classes are told by
# their own texture. Two have the same texture, and only a marker eleven pixels to the left or to the right tells which.
# Four small nets have the same parameters and see 9, 13, 21 or 37 pixels, by dilation. From the first to the last, the
# share of right pixels rises by <span title="SD-12 local_gain">0.028</span> for the classes told by texture and by
# <span title="SD-12 context_gain">0.35</span> for those told by the marker. At 9 pixels those are right for
# <span title="SD-12 context_1">0.44</span>, no better than a guess between two. More is not always better: with 21
# pixels it is <span title="SD-12 context_4">0.84</span>, with 37 <span title="SD-12 context_8">0.78</span>.

# %% [markdown]
# **Which class pays for the line?** This was looked at afterwards, so it explains the verdict and is no test. The IoU
# of each class, on the café and on the bin, when all things are a pixel too large, and the café with one wrong region
# of the same area.

# %%
from fpnlib.data import labelled_photo
from fpnlib.metrics import iou_per_class
from fpnlib.notes.segmentation_difficulties.exact import one_wrong_region
from fpnlib.notes.segmentation_difficulties.masks import grown

for name in ("cafe", "bin"):
    known = labelled_photo(name)
    larger = shifted_boundaries(known.class_map, 1)
    answers = {"line": larger}
    if name == "cafe":
        answers["region"] = one_wrong_region(int((larger != known.class_map).sum()))
    for error, said in answers.items():
        found = iou_per_class(ours(said, known.class_map, len(known.class_names)))
        shown = [
            f"{kind} {value:.2f}"
            for kind, value in zip(known.class_names, found, strict=True)
            if value == value
        ]
        print(f"{name}, {error}, mIoU {found.nanmean():.2f}:", ", ".join(shown))

thing = labels > 0
border = grown(thing, 2) & ~thing  # about where VOC's unlabelled border lies
for pixels, name in ((1, "too large"), (-1, "too small")):
    counted = labels.where(~border, 255)
    found = iou_per_class(ours(shifted_boundaries(labels, pixels), counted, 21, ignore_index=255))
    print(f"cafe, one pixel {name}, a border of two pixels left out: mIoU {found.nanmean():.2f}")

# %% [markdown]
# The chairs pay, by these labels: their IoU is 0.49. For people and tables the saying is right: the line leaves people
# at 0.94 and tables at 0.97, where the region leaves 0.84 and 0.85. For the background it is not: the line leaves it at
# 0.84, the region at 1.00. And on the bin, with larger things, the line leaves mIoU at 0.95, and the scissors pay most.
# So on these two photos the saying is right for classes of large objects, though not for the café's background. But
# mIoU weighs a class of thin objects as much as any other, and so it sees the line.
#
# **And the border.** VOC itself leaves a border around each object out of the score. Leave out two pixels around the
# objects, and things that are a pixel too large cost nothing: all that is wrong lies in the border. So this half of the
# result is due to our labels. Things that are too small cost as much as before.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** Write `f(confusions)` that returns the image-mIoU. `confusions` is a list of NumPy arrays, one confusion
# matrix an image, rows the true class, columns the predicted one. A class that is in neither the truth nor the
# prediction of an image is left out of that image's mean.

# %%
from fpnlib.exercises import check

check("image mIoU", ...)

# %% [markdown]
# **Second.** Write `f(iou)` that returns the panoptic quality of one category. `iou` is a NumPy array: the IoU of each
# predicted segment (rows) with each true one (columns). There is neither void nor crowd.

# %%
check("panoptic matching", ...)

# %% [markdown]
# **Third.** Write `f(unary, q, kernel, weight)` that returns the probabilities after one mean-field step of a fully
# connected CRF with the Potts model. `unary` (labels, pixels) is −log p, `q` (labels, pixels) holds the probabilities
# so far, `kernel` (pixels, pixels) says how much each pixel heeds each other. Do not normalise it, and keep its
# diagonal.

# %%
check("mean-field step", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import solution` and `print(solution("image mIoU"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | semantic, instance, panoptic segmentation | 语义、实例、全景分割 | a class per pixel; masks; both |
# | things, stuff | 可数物体、不可数区域 | what can be counted, and what cannot: people, sky |
# | boundary IoU | 边界交并比 | IoU of what lies near the masks' boundaries |
# | panoptic quality, PQ | 全景质量 | how well segments fit times how well they are found |
# | output stride | 输出步幅 | pixels from one cell of the answer to the next |
# | conditional random field, CRF; mean field | 条件随机场；平均场 | labels tied by a kernel; all heed all |
# | superpixel | 超像素 | a small region of similar colour |
# | graph cut | 图割 | labels of lowest energy, found as a minimum cut |
# | receptive field | 感受野 | the pixels that a unit sees |
#
# ## References
#
# - B. Cheng et al., *Boundary IoU: Improving Object-Centric Image Segmentation Evaluation*, CVPR 2021.
# - A. Kirillov et al., *Panoptic Segmentation*, CVPR 2019; the panoptic API for the rules of void and crowd.
# - P. Krähenbühl, V. Koltun, *Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials*, NIPS 2011.
# - W. Luo et al., *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, NIPS 2016.
# - Y. Boykov, O. Veksler, R. Zabih, *Fast Approximate Energy Minimization via Graph Cuts*, PAMI 2001; PyMaxflow.
# - R. Achanta et al., *SLIC Superpixels*, PAMI 2012; scikit-image.
# - L. Grady, *Random Walks for Image Segmentation*, PAMI 2006; scikit-image.
# - M.-Y. Liu et al., *Entropy Rate Superpixel Segmentation*, CVPR 2011: the achievable accuracy.
