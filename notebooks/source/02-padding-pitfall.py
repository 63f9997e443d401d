# %% [markdown]
# # 02 · The padding pitfall
#
# **In one sentence:** in a small network without padding the feature map begins well inside the image, so a region of
# interest at the border lands on it as a line or a point, and padding the image first brings it back.
#
# *Forty minutes. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders.
# They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Below is a strip of pixels and the layers above it. A layer's output is a **feature map** of **units**, one number
# each. A unit looks at as many neighbours below it as its **kernel** is wide, the next unit looks a **stride** further
# on, and **padding** adds empty places at both ends. Each blue line is the centre of a unit. The orange bar is a region
# of interest, an RoI: the part of the image that a detector wants to look at more closely.
#
# **Move the left edge of the RoI to 0. Watch the bar on the top layer.**

# %%
from fpnlib.notes.padding.explorers import geometry

geometry()

# %% [markdown]
# Four things to try.
#
# - With the RoI at the left border, make it wider, one pixel at a time. At which width does the point become a bar?
# - Take away one layer, then another. The point becomes a bar sooner.
# - Add padding of one in each layer. With a kernel of three the first unit comes within half a pixel of the left
#   border, and there the trouble is over. Large networks pad everywhere, so at the left they seldom meet it.
# - Go to the right border. The strides do not come out even with the strip, so the last unit may lie well inside, with
#   padding as without.
#
# On a strip the RoI becomes a point. On a photo it becomes a **line** at one border, and a small one in a corner a
# **point**.

# %% [markdown]
# ### On a photo
#
# P-Net is the first of the three small networks of the face detector MTCNN. It has no padding at all. Here are its real
# weights and its feature map. It has many channels; the picture shows how strongly they answer at each place, as their
# root mean square. RoIAlign turns the RoI into 7×7 cells, whatever its size, for a second network to look at: above
# without padding, below with it.
#
# **Move the RoI along the left border into the upper corner. It stays a line until it is as low as it is wide; then it
# is a point. Make it wider.**

# %%
from fpnlib.notes.padding.explorers import roi_on_photo

roi_on_photo()

# %% [markdown]
# The columns of one even, darkest blue are zeros. RoIAlign reads each of the 7×7 cells at a few points. A point more
# than one unit beyond the outermost centres gives 0, a nearer one the value at the map's border. So a cell may have a
# value though it lies off the map.
#
# Padding has a price, and you see it: the edge between the photo and the black is an edge, and the features answer to
# it. More on that below.
#
# Your own photo works too: `roi_on_photo("holiday.jpg")` takes a path or an array.

# %% [markdown]
# ### A face that leaves
#
# What does it cost? Below the astronaut's face moves out of the photo through the left border. The photo is shrunk so
# that the face has the size that P-Net looks for.
#
# The score is the best of the windows that cover half of what is left of the face.
#
# **Move the face across the border. Then try the four ways to pad:** black, the photo's mean colour, the photo's mirror
# image, its last pixels repeated.

# %%
from fpnlib.notes.padding.explorers import face_at_border

face_at_border()

# %% [markdown]
# Without padding P-Net can put its window no further than the border. (A box is the window after P-Net's own
# correction, so it may stick out.) A face that is cut in half lies in the left half of the leftmost window, where no
# face was in training. With padding the window can be centred on the face, and half of it shows the padding.
#
# Choose *reflect* and cut off half of the face: the mirror makes a whole one. The score is high, and it is a fair
# question whether it should be.
#
# Your own photo works too: `face_at_border("me.jpg")`, or with the face's box, `face_at_border("me.jpg", (x0, y0, x1,
# y1))`.

# %% [markdown]
# ## Why
#
# A unit of a feature map sees a window of the image, its **receptive field**. Three numbers say where. Go through the
# layers from the image up. Layer $l$ has kernel $k_l$, stride $s_l$ and padding $p_l$ (dilation $d$ makes its kernel
# $d (k - 1) + 1$ wide).
#
# $$S_l = S_{l-1} \, s_l \qquad r_l = r_{l-1} + (k_l - 1) \, S_{l-1} \qquad P_l = P_{l-1} + p_l \, S_{l-1}$$
#
# with $S_0 = r_0 = 1$ and $P_0 = 0$. $S$ is the stride of the whole net, in pixels. One step of a kernel in layer $l$
# is $S_{l-1}$ pixels long, so $k_l - 1$ steps make the field grow by that much each. $P$ is how far unit 0 reaches
# beyond the image. Here is the same in the library: `then` adds one layer.

# %%
from fpnlib.explore import source
from fpnlib.ops import AxisField

source(AxisField.then)

# %% [markdown]
# The bars show what two units of the last layer see of each layer below. The table says what one unit of each layer
# sees of the image.
#
# **Add layers one by one. Watch the size grow; the picture is rescaled, so read the number under the ruler. Then give
# the layers a stride of two.**

# %%
from fpnlib.notes.padding.explorers import receptive_fields

receptive_fields()

# %% [markdown]
# With a kernel of three two neighbours share most of what they see at a stride of one, and less than half at a stride
# of two. A larger kernel makes them share more. The stride decides how much is new from one to the next. Padding moves
# only the start.
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
# A wider one keeps $(w - \tfrac r2 + P) / S$ units of its $w / S$. And what must be done follows at once: pad the image
# by $p$ pixels, and $P$ becomes $P + p$. The RoI is whole when the centre of unit 0 lies at the edge or before it, so
# the least padding is $p = \max(0, \lceil \tfrac r2 - P \rceil)$: **half the receptive field, less what the layers pad
# already.** For a box that begins inside the image less is enough. At the right border the last unit counts, whose
# place depends on the image's size; `least_padding` computes all four sides.

# %%
from fpnlib.ops import degenerate_width, least_padding, project_box

source(degenerate_width)

# %% [markdown]
# P-Net in numbers.

# %%
import torch

from fpnlib.notes.padding.examples import pnet_features
from fpnlib.ops import receptive_field

field = receptive_field(pnet_features())
print(field)
print(
    "an RoI at the border is a point or a line up to a width of", degenerate_width(field), "pixels"
)

size = (100, 100)
boxes = torch.tensor([[0.0, 40, 6, 60], [0, 0, 6, 6], [40, 40, 60, 60]])
clipped = project_box(boxes, field, clip_to=field.units(*size))
for name, (x0, y0, x1, y1) in zip(("border", "corner", "inside"), clipped.tolist(), strict=True):
    print(f"{name}: {x1 - x0:g} × {y1 - y0:g} units")
print(
    "least padding for the corner box (left, right, top, bottom):",
    least_padding(field, (0, 0, 6, 6), size),
)

# %% [markdown]
# ### Where the libraries disagree: half a pixel
#
# "Divide the box by the stride" is what most code does (`spatial_scale`). Compare it with the projection: it is right
# only if unit 0 is where that code believes. And code does not agree on what a coordinate means.
#
# - **Corners or centres.** In one convention pixel $i$ covers $[i, i + 1]$ and its centre is $i + \tfrac12$. In the
#   other its centre is $i$. Boxes of COCO and of most detectors use the first. Array indices are the second. In the
#   first the shortcut is exact if $r - 2P = S$. In the second it is exact if $2P = r - 1$.
# - **RoIPool** (Fast R-CNN, in Caffe) takes a cell for a whole thing. It rounds the corners to whole cells and counts
#   the last one in, so that no box is smaller than a cell. With the shortcut it hides the pitfall: for a box at the
#   border it always finds cell 0, and does not ask where that cell looks.
# - **RoIAlign** (Mask R-CNN) rounds nothing. Its first version, in Detectron, took coordinates that count from corners
#   and read the map as if they counted from centres. All it reads lies half a cell too far to the right and too low.
# - **RoIAlign with `aligned=True`** (Detectron2) takes half a cell off first. torchvision has both and keeps the old
#   one as its default; Detectron2's default is the new one. Code that was trained with one and runs with the other
#   loses half a cell, which is eight pixels at a stride of sixteen.
#
# An example that shows it. The map below is a ramp: its value at a point is the point's own place, in pixels. So what
# a pooling gives back is where it has looked.

# %%
from fpnlib.ops import roi_align, roi_pool

stride, width = 4, 16
centers = torch.arange(width) * stride + stride / 2  # of the cells, in pixels from the left edge
ramp = centers.expand(1, 1, width, width)
box = torch.tensor([[0.0, 20, 20, 34, 34]])  # of this the middle is at 27
for name, pooled in {
    "RoIAlign, aligned=True": roi_align(ramp, box, 1, 1 / stride, 2, aligned=True),
    "RoIAlign, aligned=False": roi_align(ramp, box, 1, 1 / stride, 2, aligned=False),
    "RoIPool, its largest value": roi_pool(ramp, box, 1, 1 / stride),
}.items():
    print(f"{name}: looked at {pooled.item():g}, the middle of the box is 27")

# %% [markdown]
# The aligned one is right. The old one is off by half a cell, which is half of the stride. RoIPool takes the largest
# value, here that of the last cell. The box's end was rounded up and that cell counts, though its centre lies outside
# the box.
#
# One more surprise: some pooling layers round *up* the number of windows (`ceil_mode`, Caffe's way). P-Net has one,
# so for odd sizes its last window reaches one pixel beyond the image. `receptive_field` still places every unit
# rightly, as none moves, but it does not count that extra one.

# %% [markdown]
# ## Check
#
# The arithmetic against the network itself. Take P-Net's feature map and ask autograd which pixels each unit depends
# on.

# %%
from fpnlib.notes.padding.claims import pnet_gradient_centers, random_net

centers = pnet_gradient_centers(40)
arithmetic = [field.horizontal.center(unit) for unit in range(len(centers))]
print("by gradients: ", centers[:4], "…")
print("by arithmetic:", arithmetic[:4], "…")
assert centers.tolist() == arithmetic

# %% [markdown]
# In a net that does not pad itself, padding the image by whole strides changes no unit that was there before. It only
# adds new ones around them.

# %%
import numpy as np
from torch import nn

net = random_net(np.random.default_rng(3))
field = receptive_field(net)
image = torch.randn(1, 1, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
left, right, top, bottom = padding = least_padding(field, (0, 0, 40, 40), (40, 40), keep_grid=True)
before, after = net(image), net(nn.functional.pad(image, padding))
y, x = top // field.stride, left // field.stride
torch.testing.assert_close(after[..., y : y + before.shape[2], x : x + before.shape[3]], before)
print(
    f"{tuple(before.shape[2:])} units before, {tuple(after.shape[2:])} after; "
    "the old ones are equal"
)

# %% [markdown]
# ## Measure
#
# The claims of this note, with the test that was fixed before measuring.

# %%
from fpnlib.claims import verdicts

verdicts("PD")

# %% [markdown]
# **A point or a line.** Over <span title="PD-1 nets">31</span> nets, P-Net among them, the closed form and the real
# gradients agree for all <span title="PD-1 border_rois">1139</span> RoIs at the border.
# <span title="PD-1 degenerate_rois">247</span> of them have no extent left, exactly those that are at most half a
# receptive field wide. The <span title="PD-1 interior_rois">600</span> RoIs inside keep all of theirs. For P-Net the
# width is <span title="PD-1 pnet_width">6</span> pixels.
#
# **Pad first.** With the least padding the extent is whole in all <span title="PD-2 n">207</span> cases. With one pixel
# less it never is (<span title="PD-2 one_pixel_less_still_cut">207</span> are still cut).
#
# **Performance drops, P-Net.** A hundred real faces and a hundred other photos leave through the border, step by step.
# The measure is the area under the ROC curve: how often a face scores above a photo without one. What is cut off is a
# share of the face's photo, which is a little wider than the face. Amid other photos it is
# <span title="PD-3 area_center">1.000</span>. With <span title="PD-3 hidden[3]">30%</span> cut off it is
# <span title="PD-3 area_plain[3]">0.979</span> without padding and <span title="PD-3 area_padded[3]">0.989</span> with
# six black pixels. With half cut off it is <span title="PD-3 area_plain[5]">0.594</span> and
# <span title="PD-3 area_padded[5]">0.819</span>. So as long as little is cut the pitfall costs little; near one half,
# P-Net without padding does hardly better than a coin.
#
# A word of caution. Padded by whole strides, as here, the old windows stay and new ones come, so a best score can only
# rise, for faces and for others alike. The others rise too, from <span title="PD-3 half_other_plain">0.11</span> to
# <span title="PD-3 half_other_padded">0.21</span> on average at one half, the faces from
# <span title="PD-3 half_face_plain">0.13</span> to <span title="PD-3 half_face_padded">0.49</span>. That is why the
# area counts here, and not the score. We had seen it in a trial when we chose the measure; the bounds were written down
# before the stored run.
#
# **How much, and which.** With a tenth to a half cut off the area is <span title="PD-4 none">0.857</span> without
# padding. Six pixels give <span title="PD-4 zero[1]">0.936</span> (black), <span title="PD-4 mean[1]">0.966</span>
# (mean colour), <span title="PD-4 reflect[1]">0.994</span> (reflect) and <span title="PD-4 replicate[1]">0.939</span>
# (replicate). Twelve pixels give next to nothing more: <span title="PD-4 most_gain_beyond_half">0.0009</span> at best.
# The saying holds, as reflect and replicate together beat the two constants, by <span title="PD-4 effect">0.015</span>.
# But it is reflect that carries it. Replicate is hardly better than black, and the mean colour beats it. Reflect gains
# because a face is symmetric: the mirror completes it.
#
# **Trained from scratch.** A tiny net with a receptive field of ten pixels, no padding, and
# <span title="PD-5 n">32</span> seeds learns four shapes that may touch the border. At the border it names
# <span title="PD-5 border_plain">0.705</span> of them rightly without padding and
# <span title="PD-5 border_padded">0.962</span> with the image padded. The gain is
# <span title="PD-5 border_gain">0.257</span>. In the middle, where the window can be centred anyway, padding still
# gains <span title="PD-5 middle_gain">0.17</span>, which we had not expected. One possible reason: a net without
# padding has to learn the shapes off the centre of its window too, and that costs it in the middle as well. This
# experiment does not tell.

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
# Stuck? `from fpnlib.exercises import solution` and `print(solution("least padding"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | padding | 填充 | pixels put around an image or a feature map |
# | valid convolution | 无填充卷积 | a convolution without padding: the map is smaller than the image |
# | receptive field | 感受野 | the pixels that a unit sees |
# | stride | 步幅 | pixels from one unit's field to the next one's |
# | feature map | 特征图 | the units of a layer, in their places |
# | region of interest, RoI | 感兴趣区域 | a box of the image that is looked at more closely |
# | RoI pooling, RoI alignment | 感兴趣区域池化、对齐 | features of a fixed size for a box of any size |
#
# ## References
#
# - A. Araujo, W. Norris, J. Sim, *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019.
# - R. Girshick, *Fast R-CNN*, ICCV 2015: RoIPool.
# - K. He et al., *Mask R-CNN*, ICCV 2017: RoIAlign.
# - Detectron2, the docstring of `ROIAlign`: what `aligned` means; torchvision, `roi_align`: its default.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
