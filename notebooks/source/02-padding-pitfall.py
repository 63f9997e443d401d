# %% [markdown]
# # 02 · The padding pitfall
#
# **In one sentence:** in a net without padding the feature map begins well inside the image, so a region at the border
# shrinks to a line or a point on it, or falls off it; half a receptive field of padding around the image cures this, if
# boxes are projected onto the map as they should be.
#
# *An hour; if you only want the geometry, stop before "Which half pixel is right?". You need no earlier note.* Run
# every cell first (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider,
# then the arrow keys.

# %% [markdown]
# ## Look
#
# This book grew from one learner's page of notes in Chinese; we call it *the source*. On this topic it says that a
# region at the border becomes 一个点或者一条线, a point or a line, and that performance drops.
#
# Some detectors first find regions that may hold something, and then look at each more closely. Such a region of
# interest, an **RoI**, is cut out of a **feature map**, the output of a layer, and brought to a fixed size, say 7×7
# **bins**, for a second network. RoIPool and RoIAlign are two ways to cut.
#
# Below is a strip of pixels and the layers above it. A layer is made of **units**, one number each. A unit looks at as
# many neighbours below it as its **kernel** is wide, the next unit looks a **stride** further on, and **padding** adds
# empty places at both ends. Each blue line is the centre of a unit. The orange bar is the RoI. A map has numbers only
# at its blue lines: left of the first and right of the last there is nothing to read, and what lies there is cut off.
#
# **First a guess.** How near to the left border does the RoI become a point on the top layer? And is the right border
# the left one's mirror image? **Then move the RoI to the left border, pixel by pixel, and to the right one.** A
# question mark in the picture becomes a number once the RoI is there.

# %%
from fpnlib.notes.padding.explorers import geometry

geometry(position=17)

# %% [markdown]
# At the left border the RoI becomes a point one pixel before it touches, at the right border already two pixels before.
# The borders are no mirror images: the last window need not end where the image does, and here it leaves a pixel out.
#
# Four things to try.
#
# - With the RoI at the left border, make it wider, one pixel at a time. It becomes a bar at eight.
# - Take away a layer, then another. Now a narrower RoI is a bar.
# - Go to the right border with a width of ten. The triangles are the units that code asks for if it divides the box by
#   the stride, as most code does. Hollow ones are not there.
# - Add padding of one in each layer. At the left border the trouble is over, at the right border hardly: the last unit
#   stays almost a stride away.
#
# **Does your detector have the pitfall?** Probably not. Detectors of today, torchvision's among them, pad in every
# layer, and a YOLO cuts no RoIs at all. What such padding leaves, at the right, is less than a stride: only an RoI that
# is narrower than this can still become a point. But one kernel wider than its stride and without padding, anywhere
# below the RoIs, brings the pitfall back, and nothing warns you. Fast R-CNN, which brought RoIPool, came with such a
# net; we return to it.

# %% [markdown]
# ### On a photo
#
# P-Net is the first of the three small networks of the face detector MTCNN. It has no padding at all. MTCNN never cuts
# an RoI from its map; we do, to see the geometry with real features. The map has many channels, and the picture shows
# their root mean square. On the right RoIAlign turns the RoI into 7×7 bins, above without padding, below with it.
# RoIAlign is forgiving: up to one unit beyond the outermost centres it repeats the value at the map's border, and only
# further out it reads zero.
#
# **Move the RoI along the left border into the upper corner, where it is still a line. Make it less tall: at six pixels
# it becomes a point. Then make it wider: when is it a line again?**

# %%
from fpnlib.notes.padding.explorers import roi_on_photo

roi_on_photo()

# %% [markdown]
# Padding has a price, and you see it: the black frame is a false edge, and features fire on it. Your own photo works
# too, as `roi_on_photo("holiday.jpg")`.

# %% [markdown]
# ### A face that slides out of the picture
#
# What does it cost? Below, the astronaut's face, of the size that P-Net looks for, moves out of the photo. For each
# position we take the highest score among the windows that cover at least half of what is left of it.
#
# **Move the face across the border. Then try the five ways to pad:** black, the photo's mean colour, the photo's mirror
# image, its last pixels repeated, its far side. **Which one saves a face that is cut in half, and why that one?**

# %%
from fpnlib.notes.padding.explorers import face_at_border

face_at_border()

# %% [markdown]
# The mirror image does. It seems to make half a face whole again, and the score is near one. *How would you test
# whether that is the reason?* Our test stands under *Measure*.
#
# Without padding P-Net can put its window no further than the border. If a face is cut in half, its window and the
# whole face then share a third of what both cover (their IoU, *intersection over union*), and P-Net was trained to say
# *face* from about two thirds.
#
# One face is one face. **Tick *a hundred faces too*.** The squares tell how often a face scores above a photo without
# one, which is the area under the ROC curve. Up to three tenths cut off it hardly matters whether one pads; then
# there is a cliff. Your own photo works here too: `face_at_border("me.jpg")`, or with the face's box `(x0, y0, x1, y1)`
# after it.

# %% [markdown]
# ## Why
#
# A unit of a feature map sees a window of the image, its **receptive field**. Three numbers say where. From the image
# up, layer $l$ has kernel $k_l$, stride $s_l$ and padding $p_l$.
#
# $$S_l = S_{l-1} \, s_l \qquad r_l = r_{l-1} + (k_l - 1) \, S_{l-1} \qquad P_l = P_{l-1} + p_l \, S_{l-1}$$
#
# with $S_0 = r_0 = 1$ and $P_0 = 0$. $S$ is the stride of the whole net, in pixels. One step of a kernel in layer $l$
# is $S_{l-1}$ pixels long, so each of its $k_l - 1$ steps widens the field $r$ by that much. $P$ is how far unit 0
# reaches beyond the image.
#
# The next cell is these three lines. Three layers of stride one see seven pixels. **Guess what five layers of stride
# two see. Then change the line, and run both cells.**

# %%
from fpnlib.ops import AxisField

layers, kernel, stride, padding = 3, 3, 1, 0  # change these

r, S, P = 1, 1, 0
for _ in range(layers):
    r, P, S = r + (kernel - 1) * S, P + padding * S, S * stride
print(f"field r = {r}, stride S = {S}, padding P = {P} pixels")

axis = AxisField()
for _ in range(layers):
    axis = axis.then(AxisField(kernel, stride, padding, padding))
assert (axis.size, axis.stride, axis.padding) == (r, S, P)

# %% [markdown]
# The bars show what two units of the last layer see of each layer below, the table what one unit of each layer sees of
# the image.

# %%
from fpnlib.notes.padding.explorers import receptive_fields

receptive_fields(layers=layers, kernel=kernel, stride=stride, padding=padding)

# %% [markdown]
# Five layers of stride two see $63$ pixels, and with stride one they would see $11$: each stride doubles the steps of
# all layers above it. Padding moves only the start.
#
# ### The projection
#
# Unit $u$ sees the pixels from $u S - P$ to $u S - P + r - 1$. The middle of these is the pixel index
#
# $$x(u) = \text{start} + u S \qquad \text{start} = \frac{r - 1}{2} - P$$
#
# Solve for $u$, and a point of the image has a place on the map:
#
# $$u = \frac{x - \text{start}}{S}$$
#
# Here pixel index 0 is the centre of the first pixel. The image's left edge is at index $-\tfrac12$, and unit 0's
# centre lies $\text{start} + \tfrac12 = \tfrac r2 - P$ pixels from that edge. **That is the whole pitfall.** The map
# has no values before unit 0. An RoI from the left edge to a width $w$ is cut down to one place, the centre of unit 0,
# as long as
#
# $$w \le \frac r2 - P$$
#
# A wider one keeps $(w - \tfrac r2 + P) / S$ units of its $w / S$. A point is not nothing: all the RoI's pixels lie in
# the field of the one unit that is left. What is lost is the layout.
#
# The cure follows at once: pad the image by $p$ pixels, and $P$ becomes $P + p$. The RoI keeps its width when the
# centre of unit 0 lies at the edge or before it, so the least padding is $p = \max(0, \lceil \tfrac r2 - P \rceil)$:
# **half the receptive field, less what the layers pad already.** At the right border the last unit counts, whose place
# depends on the image's size. For P-Net, and checked against what autograd says:

# %%
import torch

from fpnlib.notes.padding.experiments.padded import pnet_features
from fpnlib.notes.padding.experiments.projected_rois import pnet_gradient_centers
from fpnlib.ops import degenerate_width, least_padding, project_box, receptive_field

field = receptive_field(pnet_features())
print(field, "an RoI is cut down up to a width of", degenerate_width(field), "pixels")
boxes = torch.tensor([[0.0, 40, 6, 60], [0, 0, 6, 6], [40, 40, 60, 60]])
clipped = project_box(boxes, field, clip_to=field.units(100, 100))
for name, (x0, y0, x1, y1) in zip(("border", "corner", "inside"), clipped.tolist(), strict=True):
    print(f"{name}: {x1 - x0:g} × {y1 - y0:g} units")
print(
    "pad for the corner (left, right, top, bottom):", least_padding(field, (0, 0, 6, 6), (100, 100))
)

centers = pnet_gradient_centers(40)
assert centers.tolist() == [field.horizontal.center(unit) for unit in range(len(centers))]

# %% [markdown]
# The idea is old. SPP-net mapped windows onto a map in $2014$, and its appendix also names a cure: pad every layer by
# half its kernel.
#
# ### The right border
#
# Most code does not project. It divides the box by the stride, which we call **the shortcut**. At the left border that
# hides the pitfall; at the right border it is far worse. Fast R-CNN's medium net, `VGG_CNN_M_1024` in its code, has
# $r = 139$, $P = 52$ and $S = 16$, as its first convolution and its poolings do not pad. Here it meets a photo $1000$
# pixels wide. Let the map be a ramp: the value at a unit is the place of its centre, in pixels. RoIPool rounds a box to
# whole units and returns the largest value in each bin, which here is the place where it looked.
#
# **Guess what it returns for a box of $32$ pixels at the right border. Then add `(968, 999)` to the boxes, and run.**

# %%
from fpnlib.ops import roi_pool


def chain(*layers):  # (kernel, stride, padding) from the image up
    axis = AxisField()
    for kernel, stride, padding in layers:
        axis = axis.then(AxisField(kernel, stride, padding, padding))
    return axis


odd = (3, 1, 1)
medium = chain((7, 2, 0), (3, 2, 0), (5, 2, 1), (3, 2, 0), odd, odd, odd)
where = medium.center(0) + 0.5 + medium.stride * torch.arange(medium.units(1000))
print(f"{len(where)} units, the first looks at {where[0]:g}, the last at {where[-1]:g}")
ramp = where.expand(1, 1, len(where), len(where))
for left, right in ((452, 515), (872, 999)):  # add a box
    box = torch.tensor([[0.0, left, 500, right, 600]])
    print(f"pixels {left} to {right}:", roi_pool(ramp, box, (1, 6), 1 / 16).flatten().tolist())

# %% [markdown]
# Zeros, all six. The box asks for units $61$ and $62$, and the map ends at unit $60$. RoIPool gives zero where it finds
# no unit, and even of the box of $128$ pixels it fills only five bins. In the middle of the photo all are filled, but
# most look too far to the right. Perhaps this is what the source saw, a point or a line *in the RoI feature*. Whether
# it cost Fast R-CNN anything we have not measured; few objects are so narrow and so close to the border.
#
# How is it mended?
#
# - **Project the box**, and pad the image by half the field less $P$, so that every box has room.
# - **Keep the shortcut**, and pad the image by $(r - 2P - S) / 2$, which brings unit 0 to where the shortcut believes
#   it to be. If you pad an image you usually shift its boxes too. Do not do that here, or the error stays.
# - **Pad in the layers**, as nets do today.

# %% [markdown]
# ### Which half pixel is right?
#
# *You may skip this section.* Is the shortcut right at least away from the border? That depends on where unit 0 is.
#
# - In boxes of most detectors pixel $i$ covers $[i, i + 1]$; in array indices its centre is $i$.
# - **RoIAlign** (Mask R-CNN) rounds nothing. Its first version took box corners and read the map as if they were array
#   indices, so that unit 0 counts as centred at the edge: `aligned=False`, torchvision's default.
# - With `aligned=True`, as in Detectron2, unit 0 counts as centred half a stride from the edge.
#
# In truth it is centred $\tfrac r2 - P$ pixels from the edge. So `aligned=True` reads $(r - 2P - S) / 2$ pixels too far
# to the right, and `aligned=False` $(r - 2P) / 2$. One number of the net decides, $r - 2P$. In the table a minus sign
# means too far to the left.

# %%
wide = (7, 1, 3)
nets = {
    "P-Net": chain((3, 1, 0), (2, 2, 0), (3, 1, 0), (3, 1, 0)),
    "Fast R-CNN's medium net": medium,
    "ResNet-50, stride 16": chain(
        (7, 2, 3), (3, 2, 1), *[odd] * 3, (3, 2, 1), *[odd] * 3, (3, 2, 1), *[odd] * 5
    ),
    "ConvNeXt-T, stride 8": chain((4, 4, 0), *[wide] * 3, (2, 2, 0), *[wide] * 3),
}
print(f"{'':24}{'r':>4}{'P':>5}{'S':>4}  r − 2P   too far right: aligned=True, aligned=False")
for name, net in nets.items():
    seen, S = net.size - 2 * net.padding, net.stride
    print(f"{name:24}{net.size:4}{net.padding:5}{S:4}{seen:8}{(seen - S) / 2:28}{seen / 2:15}")

# %% [markdown]
# Three kinds of nets, then.
#
# - **Cut into patches**, as ConvNeXt is, a net has $r - 2P = S$. There `aligned=True` is exact.
# - **Odd kernels, padded by half**, as in a ResNet, give $r - 2P = 1$ at any depth: each such layer adds nothing to it,
#   and it begins at one. There `aligned=False` is off by half a pixel to the right, and `aligned=True` by almost half a
#   stride to the left.
# - **With less padding** $r - 2P$ grows towards the whole field, and both read too far right.
#
# So neither version is right by itself; but a model trained with one and run with the other is off by half a unit,
# eight pixels at a stride of sixteen, and no error is raised.

# %% [markdown]
# ### Inside a large net
#
# Large networks pad in every layer. Is the border harmless there? Something has to be filled in beyond the last units.
# PyTorch offers `zeros`, which nearly all nets use, `reflect` and `circular`, the mirror image and the far side, and
# `replicate`, the last units repeated.
#
# To see what that does, give the net a crop from the middle of a photo, then the whole photo, and compare the same
# units of a map: in the whole photo they see what truly lies beside the crop. Any difference is the padding's work. It
# is counted in root mean squares of the map, so a difference of one is as large as the map itself.
#
# **A guess about a real net.** EfficientNet-Lite0 was trained on ImageNet with zero padding. Below is its map of stride
# four, where the rim is thin: one unit in ten differs by more than a tenth. How many will it be on the map of stride
# sixteen, one in five, one in three, or most? **Write it down. Then choose the stride of sixteen, and go through the
# paddings: which comes nearest to the truth?**

# %%
from fpnlib.notes.padding.explorers import padding_in

padding_in(map="stride 4")

# %% [markdown]
# Most: at a stride of sixteen more than half of the units differ by a tenth or more, at thirty-two all of them do. But
# the effect fades quickly from ring to ring: a unit listens mostly to the middle of its field.
#
# None of the four is the truth. Repeating the last units is nearest here, zeros follow closely, and the mirror image
# and the far side are further off. The net has seen zeros in every photo that it learnt from, and nets do use them as a
# sign of where the border is (see References).
#
# **Zeros beside the photo.** A detector takes photos of several sizes in one batch, and fills each up with zeros to the
# right and below: torchvision to a multiple of $32$, `size_divisible`, and detectron2 as the backbone asks, which is
# $32$ with the usual FPN. **Move the slider *zeros beside the photo* and watch the right end of the curve.** The last
# units now see a grey wall, since zero is grey after scaling. The fill goes up to the largest photo, so the features of
# a box at the right border depend on which other photos were in the batch.
#
# **Your own network** goes in as `padding_in(net)`, and your photo as `padding_in(net, "holiday.jpg")`; if the net's
# photos are not scaled as torchvision's are, give `preprocess`.

# %% [markdown]
# ## Measure
#
# Each **claim** has a test, a bound and a control, all written down before the measurement that decides. In short:
# **the geometry holds to the pixel. What it costs depends on the case, and is large where a box is divided by the
# stride at the right border.** Open a line to see its parts.

# %%
from fpnlib.claims import verdicts

verdicts("PD")

# %% [markdown]
# **A point or a line.** If the box is projected, formula and real gradients agree in every case, over
# <span title="PD-1 nets">31</span> nets and RoIs of every width. If it is divided by the stride,
# <span title="PD-1 nothing_right">260</span> of the <span title="PD-1 degenerate_right">268</span> RoIs that should be
# a point at the right border read no unit at all. At the left border most of them read two units or more. There the
# source's sentence is not true: the RoI feature is whole and looks elsewhere.
#
# **Faces.** P-Net has windows and no RoIs, so this is a related case. The smallest change that we count is a hundredth
# of the area under ROC, by convention. Up to a tenth cut off, padding adds less than that; at two and three tenths a
# hundred faces do not settle it. At four tenths the area is <span title="PD-3 area_plain[4]">0.770</span> without
# padding and <span title="PD-3 area_padded[4]">0.951</span> with six black pixels.
# A tiny net trained from scratch (PD-5) is a little worse at the border too; whether by more than another seed would
# make it, sixteen nets do not settle.
#
# **What to pad with?** Averaged over three cuts, six pixels of mirror image are <span title="PD-7 reflect">0.058</span>
# better than black, the mean colour <span title="PD-7 mean">0.030</span>, and the far side of the photo
# <span title="PD-9 circular">0.027</span>. Two black pixels do what six do; the mirror image needs more than two.
#
# Now the test of *why the mirror*. Turn the mirrored strip upside down: it has the same pixels and no longer completes
# the face. On average it loses <span title="PD-7 mirror_upright">0.002</span>. So completing the face is not what
# helps. We do not know what is. It is hardly only that the padding looks like a photo, since a flat colour does as
# well as the photo's far side.
#
# **Padding inside a net.** On eight other photos no padding comes nearer to the truth than zeros by the bound, which is
# worth half a ring of units. The mirror image may well be worse, and the far side is. The verdict is *depends* only for
# the claim's fourth part, another question: zeros beside the photo make the last two columns worse, but whether by half
# a ring is not settled. All of this is one net, trained with zeros.
#
# **RoI features, the case that the source describes.** A tiny net without padding has a field of ten pixels and a
# stride of two. A linear layer names one of four shapes from 3×3 bins of RoIAlign. It learns with the image padded or
# not, and the box projected or divided. (Where it is divided, padding is the second cure above.) Divided and without
# padding, the RoI features at the right border are zeros, and the nets get
# <span title="PD-6 right_divided_plain">0.25</span> of the shapes right, which is guessing. There the source is right,
# and it is worse than it says: nothing is left at all.
#
# In the other three cases most nets without padding still get nearly everything right, since one unit may see all of
# the RoI. What padding gains at a border beyond the middle is one to three in a hundred, and sixteen seeds do not
# settle whether that is more than another seed does. Divided and without padding the nets fall short even in the
# middle, with <span title="PD-6 middle_divided_plain">0.94</span>; but that is mostly one net of the sixteen that
# learnt nothing, and another that learnt badly.
#
# *What changed.* Our first tests of four claims were badly designed: they looked at one way and one border only,
# averaged over all cuts, or put the mirror image and the last pixels together. And the tiny nets of PD-5 once stopped
# at an eighth of the steps, where the gain looked ten times as large. A claim whose parts get
# different verdicts *depends*; until a reader objected, PD-8, of whose parts three fail, was called *not shown*.

# %% [markdown]
# ## Remember
#
# - Without padding the first unit of a map looks at a place half a receptive field inside the image. A projected RoI at
#   the border that is narrower than that has no extent on the map, and padding of half a field gives it back.
# - Dividing a box by the stride reads $(r - 2P - S) / 2$ pixels too far right with `aligned=True`, $(r - 2P) / 2$ with
#   `aligned=False`, and at the right border it may find no unit at all. No error is raised.
# - What you pad with is part of the picture that the net sees. Around P-Net's photos a mirror image did best, and not
#   by completing the face; inside a net that learnt with zeros nothing did clearly better than zeros.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# **First.** Write `f(kernels, strides)` that returns size and stride of the receptive field. Both arguments are lists,
# the first layer first.

# %%
from fpnlib.exercises import check

check("receptive field", ...)

# %% [markdown]
# **Second.** Write `f(x, size, stride, padding)` that returns the place of pixel index `x` on the feature map, as the
# number of a unit; it may be a fraction. Index 0 is the middle of the first pixel, unit 0 the first unit. `size`,
# `stride` and `padding` are $r$, $S$ and $P$ of the whole net.

# %%
check("projection", ...)

# %% [markdown]
# **Third.** Write `f(size, padding)` that returns the fewest pixels to pad the image with, so that a box at its left
# border keeps its extent. `size` and `padding` are $r$ and $P$ of the net.

# %%
check("least padding", ...)

# %% [markdown]
# **Fourth, a prediction.** Ten convolutions with a kernel of three follow one another. Each pads by one pixel, so a map
# of $64 \times 64$ units stays that large. How many of the last map's units has padding reached: a tenth, a third, more
# than half? Decide first. Then write `f(side, layers, kernel)` that returns their share, for odd kernels, stride one,
# and padding that keeps the side.

# %%
check("how far padding reaches", ...)

# %% [markdown]
# **Fifth, a bug to fix.** This is RoIAlign along one row of units, with one sample in the middle of each bin. A box
# from 0 to 3 covers the first three units. ONNX Runtime shipped this very mistake, taken over from the first RoIAlign,
# and for large boxes hardly anybody notices. What goes wrong?

# %%
import numpy as np


def pool_row(row, start, end, bins):
    width = (end - start) / bins
    places = start + (np.arange(bins) + 0.5) * width
    return np.interp(places, np.arange(len(row)), row)


check("half a cell", pool_row)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("least padding")` gives a first hint,
# `hint("least padding", 2)` the next, and `print(solution("least padding"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | padding | 填充 | pixels put around an image or a feature map |
# | valid convolution | 无填充卷积 | a convolution without padding: the map is smaller than the image |
# | receptive field | 感受野 | the pixels that a unit sees |
# | stride | 步幅 | pixels from one unit's field to the next one's |
# | feature map, unit | 特征图、单元 | the output of a layer; one of its places |
# | region of interest, RoI | 感兴趣区域 | a box of the image that is looked at more closely |
# | reflection, replication, circular padding | 反射、复制、循环填充 | mirror, last pixels, far side |
# | RoI pooling, RoI alignment | 感兴趣区域池化、对齐 | bins of a fixed number for a box of any size |
#
# ## References
#
# - K. He, X. Zhang, S. Ren, J. Sun, *Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition*,
#   ECCV 2014, and its appendix "Mapping a Window to Feature Maps".
# - R. Girshick, *Fast R-CNN*, ICCV 2015: RoIPool. The medium net's layers:
#   [test.prototxt](https://github.com/rbgirshick/fast-rcnn/blob/master/models/VGG_CNN_M_1024/coco/test.prototxt).
# - K. He et al., *Mask R-CNN*, ICCV 2017: RoIAlign.
# - Detectron2, the docstring of `ROIAlign`: what `aligned` means, and that it makes no difference to the performance
#   where convolutions follow; torchvision, `roi_align`: its default.
# - M. A. Islam, S. Jia, N. Bruce, *How Much Position Information Do Convolutional Neural Networks Encode?*, ICLR 2020,
#   and O. S. Kayhan, J. van Gemert, *On Translation Invariance in CNNs*, CVPR 2020: zeros tell a net where it is.
# - B. Alsallakh et al., *Mind the Pad: CNNs Can Develop Blind Spots*, ICLR 2021: padding that is uneven at a stride of
#   two.
# - G. Liu et al., *Partial Convolution based Padding*, 2018: weigh the border's units by what they truly see.
# - W. Luo et al., *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, NIPS 2016: why
#   the effect fades from ring to ring.
# - RoIAlign half a cell off: [onnxruntime, issue 6921](https://github.com/microsoft/onnxruntime/issues/6921), and the
#   test that expected it, [onnx, issue 3428](https://github.com/onnx/onnx/issues/3428).
# - torch, `nn.Conv2d`: `padding_mode`; torchvision, `GeneralizedRCNNTransform`: `size_divisible`; Detectron2,
#   `Backbone`: `size_divisibility`.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net,
#   and from which IoU a window counts as a face in training.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
# - *Another good page:* A. Araujo, W. Norris, J. Sim, *Computing Receptive Fields of Convolutional Neural Networks*,
#   Distill 2019. It derives the field for nets with several paths and lists it for the well-known ones. Here it is one
#   path at a time, on nets that you can run, since the question is what happens at the border.
