# %% [markdown]
# # 02 · The padding pitfall
#
# **In one sentence:** in a small network without padding the feature map starts well inside the image, so a region at
# the border shrinks to a line or a point on it, or falls off it; padding the image first cures both.
#
# *An hour; whoever wants the geometry alone can stop before "Inside a large net". You need no earlier note.* Run every
# cell first (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then
# the arrow keys.

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
# the left one's mirror image? **Then move the RoI to the left border, pixel by pixel, and to the right one.**

# %%
from fpnlib.notes.padding.explorers import geometry

geometry(position=17)

# %% [markdown]
# One pixel before the left border it is a point already. At the right border it is one two pixels before. The borders
# are no mirror images: the last window need not end where the image does, and here it leaves a pixel out.
#
# Four things to try.
#
# - With the RoI at the left border, make it wider, one pixel at a time, until the point becomes a bar.
# - Take away one layer, then another: it becomes one sooner.
# - Go to the right border with a width of ten. The map keeps next to nothing of the RoI. Code that divides the box by
#   the stride does worse: it asks for units four and five, and the map ends at unit three. *Neither* exists, and
#   RoIPool gives zeros. The line *units by box / S, on the map* counts them.
# - Add padding of one in each layer. The first unit comes within half a pixel of the left border, and there the trouble
#   is over. At the right border it is hardly better than before: the last unit stays almost a stride away.
#
# On a photo the RoI becomes a **line** at one border, and a small one in a corner a **point**.

# %% [markdown]
# ### On a photo
#
# P-Net is the first of the three small networks of the face detector MTCNN. It has no padding at all. MTCNN never cuts
# an RoI from its map; we do, to see the geometry on a real net. Its map has many channels; the picture shows how
# strongly they answer at each place, as their root mean square. On the right RoIAlign turns the RoI into 7×7 bins,
# above without padding, below with it.
#
# **Move the RoI along the left border into the upper corner, where it is still a line. Make it less tall: at six pixels
# it becomes a point. Then make it wider.**

# %%
from fpnlib.notes.padding.explorers import roi_on_photo

roi_on_photo()

# %% [markdown]
# The columns in the same very dark blue are zeros. RoIAlign is forgiving: up to one unit beyond the outermost centres
# it repeats the value at the map's border, and further out it reads zero. So a bin may have a value though it lies off
# the map.
#
# Padding has a price, and you see it: the black frame is a false edge, and features fire on it.
#
# Your own photo works too: `roi_on_photo("holiday.jpg")` takes a path or an array.

# %% [markdown]
# ### A face that slides out of the picture
#
# What does it cost? Below, the astronaut's face moves out of the photo through the left border. The face has the size
# that P-Net looks for. For each position we take the highest score among the windows that cover at least half of what
# is left of the face.
#
# **Move the face across the border. Then try the five ways to pad:** black, the photo's mean colour, the photo's mirror
# image, its last pixels repeated, its far side.

# %%
from fpnlib.notes.padding.explorers import face_at_border

face_at_border()

# %% [markdown]
# Without padding P-Net can put its window no further than the border, though its corrected box may stick out. A face
# that is cut in half lies in the left half of the leftmost window, where the network never saw a face during training.
# With padding the window can be centred on the face, and half of it shows the padding.
#
# Choose *reflect* and cut off half of the face: the mirror makes a whole one, and the score is high. Is that because
# the mirror completes the face? On a hundred faces, below, a mirror image turned upside down did about as well.
#
# Your own photo works too: `face_at_border("me.jpg")`, or with the face's box `(x0, y0, x1, y1)` after it.

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
# is $S_{l-1}$ pixels long, so each of its $k_l - 1$ steps widens the field $r$ by that much. $P$ is how far unit 0
# reaches beyond the image.
#
# The next cell is these three lines. **Guess what a stride of two does to the field of three layers, change the line,
# and run both cells.**

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
# the image. The picture is rescaled to fit, so go by the numbers.

# %%
from fpnlib.notes.padding.explorers import receptive_fields

receptive_fields(layers=layers, kernel=kernel, stride=stride, padding=padding)

# %% [markdown]
# The stride decides how much is new from one unit to the next; padding moves only the start.
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
# A wider one keeps $(w - \tfrac r2 + P) / S$ units of its $w / S$. (Cutting off is one convention; RoIPool and
# RoIAlign, below, have others.) A point is not nothing: all the RoI's pixels lie in the field of the one unit that is
# left. What is lost is the layout.
#
# What must be done follows at once: pad the image by $p$ pixels, and $P$ becomes $P + p$. The RoI keeps its width when
# the centre of unit 0 lies at the edge or before it, so the least padding is
# $p = \max(0, \lceil \tfrac r2 - P \rceil)$: **half the receptive field, less what the layers pad already.** At the
# right border the last unit counts, whose place depends on the image's size; `least_padding` computes all four sides.
# For P-Net:

# %%
import torch

from fpnlib.notes.padding.experiments.padded import pnet_features
from fpnlib.ops import degenerate_width, least_padding, project_box, receptive_field

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
# ### Which half pixel is right?
#
# "Divide the box by the stride" is what most code does (`spatial_scale`); we call it the shortcut. Is it right? That
# depends on what a coordinate means and on where unit 0 is.
#
# - **Corners or centres.** In boxes of COCO and of most detectors pixel $i$ covers $[i, i + 1]$, and its centre is
#   $i + \tfrac12$. In array indices its centre is $i$.
# - **RoIAlign** (Mask R-CNN) rounds nothing. Its first version, in Detectron, took box corners and read the map as if
#   they were array indices. With `aligned=True` (Detectron2) it takes half a unit off first, so that unit 0 counts as
#   centred half a stride from the edge. torchvision has both and keeps the old one as its default.
# - **RoIPool** (Fast R-CNN) treats a unit as an area. It rounds the corners to whole units, counts the last one in, and
#   takes the largest value.
#
# Put the projection beside it. Unit 0 is centred $\tfrac r2 - P$ pixels from the edge. `aligned=True` takes it to be at
# $\tfrac S2$, so it reads $(r - 2P - S) / 2$ pixels too far to the right; `aligned=False` takes it to be at the edge
# and reads $(r - 2P) / 2$ too far. One number of the net decides, $r - 2P$:


# %%
def chain(*layers):  # (kernel, stride, padding) from the image up
    axis = AxisField()
    for kernel, stride, padding in layers:
        axis = axis.then(AxisField(kernel, stride, padding, padding))
    return axis


odd, wide = (3, 1, 1), (7, 1, 3)
nets = {
    "P-Net": chain((3, 1, 0), (2, 2, 0), (3, 1, 0), (3, 1, 0)),
    "P-Net, 3×3 padded by 1": chain(odd, (2, 2, 0), odd, odd),
    "ResNet-50, stride 8": chain((7, 2, 3), (3, 2, 1), *[odd] * 3, (3, 2, 1), *[odd] * 3),
    "ResNet-50, stride 16": chain(
        (7, 2, 3), (3, 2, 1), *[odd] * 3, (3, 2, 1), *[odd] * 3, (3, 2, 1), *[odd] * 5
    ),
    "ConvNeXt-T, stride 8": chain((4, 4, 0), *[wide] * 3, (2, 2, 0), *[wide] * 3),
}
print(f"{'':24}{'r':>4}{'P':>5}{'S':>4}  r − 2P   too far right: aligned, not aligned")
for name, net in nets.items():
    seen, S = net.size - 2 * net.padding, net.stride
    print(f"{name:24}{net.size:4}{net.padding:5}{S:4}{seen:8}{(seen - S) / 2:22}{seen / 2:13}")

# %% [markdown]
# Three kinds of nets, then.
#
# - **Cut into patches**, as ConvNeXt is, a net has $r - 2P = S$. There `aligned=True` is exact.
# - **Odd kernels, padded by half**, as in a ResNet, give $r - 2P = 1$ at any depth: each such layer adds nothing to it,
#   and it begins at one. There the *old* RoIAlign is off by half a pixel and the aligned one by almost half a stride,
#   to the left.
# - **Without padding** $r - 2P$ is the whole field, and both read too far right.
#
# So neither version is right by itself. A net learns to live with a constant shift; Detectron2's own comment says that
# the difference does not matter to the result where convolutions follow. But a model trained with one and run with the
# other is off by half a unit, eight pixels at a stride of sixteen, and no error is raised.
#
# To see it, take maps that are ramps: the value at a unit is the place of its centre, in pixels. So what a pooling
# gives back is where it has looked.

# %%
from fpnlib.ops import roi_align, roi_pool

stride, width = 4, 16
box = torch.tensor([[0.0, 20, 20, 34, 34]])  # its middle is at 27
for name, first in {"patches, r − 2P = S": stride / 2, "odd kernels, r − 2P = 1": 0.5}.items():
    ramp = (first + stride * torch.arange(width)).expand(1, 1, width, width)
    new, old = (roi_align(ramp, box, 1, 1 / stride, 2, aligned=a).item() for a in (True, False))
    largest = roi_pool(ramp, box, 1, 1 / stride).item()
    print(
        f"{name}: aligned looked at {new:g}, not aligned at {old:g}; RoIPool's largest is {largest:g}"
    )

# %% [markdown]
# RoIPool's value is that of the last unit: the box's end was rounded up, and a unit counts though its centre lies
# outside the box.
#
# ### The right border
#
# Now the case that the source may well have met. Take P-Net's numbers, a field of twelve and a stride of two, and a
# strip of 40 pixels. The map has 15 units; the first one's centre is 6 pixels from the left edge, the last one's 6
# pixels from the right. The shortcut takes the right edge for unit 20. The map is again a ramp of places.

# %%
axis = AxisField(size=12, stride=2)
where = axis.center(0) + 0.5 + axis.stride * torch.arange(axis.units(40))  # of the units
print(len(where), "units, from", where[0].item(), "to", where[-1].item(), "of 40 pixels")
ramp = where.expand(1, 1, len(where), len(where))
for x0, x1 in ((15, 25), (0, 10), (20, 40), (28, 40), (30, 40)):
    box = torch.tensor([[0.0, x0, 10, x1, 20]])
    pooled = roi_pool(ramp, box, (1, 3), 1 / 2).flatten().tolist()
    aligned = roi_align(ramp, box, (1, 3), 1 / 2, 2, aligned=True).flatten().tolist()
    print(f"{x0} to {x1}: RoIPool {pooled}, RoIAlign", [round(value, 1) for value in aligned])

# %% [markdown]
# In the middle of the strip, from 15 to 25, the three bins read three places, though the wrong ones: RoIAlign looks
# five pixels too far right, as the table says. Towards the right border RoIPool's bins turn to 0, although no feature
# has this value. From 28 to 40 a single column is left, a **line**; from 30 to 40 there is nothing. RoIAlign does
# little better, since it reads zero more than one unit beyond the map. Rounding is not the cause, and no error is
# raised. Perhaps this is what the source saw, a point or a line *in the RoI feature*. We know of no published detector
# that divides boxes on a map without padding; it is a pitfall of nets that one builds oneself.
#
# How is it mended?
#
# - **Project the box** and pad the image by half the field, six pixels here, so that every box has room.
# - **Keep the shortcut**, and pad the image by $(r - 2P - S) / 2$, five pixels here, *without* shifting the box.
#   Whoever pads an image usually shifts its boxes along; then the error stays. Five pixels are fewer than six because
#   they only bring unit 0 to where the shortcut believes it.
# - **Pad in the layers.** P-Net with its convolutions padded by one has $r - 2P = S$, thanks to its 2×2 pooling. With
#   odd kernels alone $r - 2P$ stays odd and never meets an even stride.

# %%
padded = axis.center(0) + 0.5 - 5 + axis.stride * torch.arange(axis.units(40 + 2 * 5))
ramp = padded.expand(1, 1, len(padded), len(padded))
print(len(padded), "units, from", padded[0].item(), "to", padded[-1].item(), "of 40 pixels")
for x0, x1 in ((15, 25), (0, 10), (30, 40)):
    box = torch.tensor([[0.0, x0, 10, x1, 20]])
    pooled = roi_pool(ramp, box, (1, 3), 1 / 2).flatten().tolist()
    aligned = roi_align(ramp, box, (1, 3), 1 / 2, 2, aligned=True).flatten().tolist()
    print(f"{x0} to {x1}: RoIPool {pooled}, RoIAlign", [round(value, 1) for value in aligned])

# %% [markdown]
# RoIAlign's bins now lie in the three thirds of each box. RoIPool still leans to the right, as it takes the largest
# value.
#
# U-Net, without padding in its layers too, cuts a large photo into tiles, gives each the surroundings that its output
# needs, and takes the mirror image for them at the photo's border.

# %% [markdown]
# ### Inside a large net
#
# Large networks pad in every layer. With odd kernels the first unit then lies half a pixel from the left edge, but the
# last one $S - \tfrac12$ pixels from the right one, if the sides are multiples of $S$. So even there a projected RoI
# narrower than a stride can be a point. Detectors read small boxes from fine maps, and rarely meet it.
#
# Is the border harmless otherwise? *Something* has to stand beside the last units. PyTorch offers `zeros`, which nearly
# all nets use; `reflect`, the mirror image; `replicate`, the last units repeated; and `circular`, the far side.
#
# To see what that does, give the net a crop from the middle of a photo, and keep one of its maps. Then give it the
# whole photo, and look at the same units: now they see what truly lies beside the crop. Any difference is the padding's
# work, counted in root mean squares of the map. By hand, for a few layers, checked against the library:

# %%
from fpnlib.models.borders import border_effects

torch.manual_seed(0)
few = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
    torch.nn.ReLU(),
    torch.nn.Conv2d(8, 8, 5, stride=2, padding=2),
)
batch = torch.randn(1, 3, 256, 256)
with torch.no_grad():
    whole, alone = few(batch), few(batch[..., 64:192, 64:192])
apart = (alone - whole[..., 16:48, 16:48])[0].square().mean(0).sqrt()  # units: pixels over 4
apart /= whole.square().mean().sqrt()
torch.testing.assert_close(
    apart, border_effects(few, batch, (64, 64, 192, 192))["output"].difference
)
print("the first units of a row:", [round(value, 3) for value in apart[16, :5].tolist()])
along = receptive_field(few).horizontal
print("do they see padding?     ", [along.first(unit) < 0 for unit in range(5)])

# %% [markdown]
# **Now a guess about a real net.** EfficientNet-Lite0 was trained on ImageNet with zero padding. Below is its map of
# stride four, where the rim is thin: one unit in ten differs by more than a tenth. How many will it be on the map of
# stride sixteen, one in five, one in three, or most? And which of the four kinds of padding comes nearest to the truth
# there? **Write both down. Then choose the stride of sixteen, and go through the paddings and the other strides.**

# %%
from fpnlib.notes.padding.explorers import padding_in

padding_in(map="stride 4")

# %% [markdown]
# At a stride of sixteen more than half of the units differ by a tenth or more, at thirty-two all of them do. The
# receptive field is wider than the crop, so we knew that they could differ. But the effect fades quickly from ring to
# ring: a unit listens mostly to the middle of its field.
#
# And no padding is right. Repeating the last units is nearest here, zeros follow closely, and the mirror image is
# further off. The net has seen zeros in every photo that it learnt from, and nets do use them as a sign of where the
# border is; that is a published finding (see References).
#
# **Zeros beside the photo.** A detector takes photos of several sizes in one batch. It fills each up with zeros, to the
# right and below, until its sides are multiples of 32: in torchvision that is `size_divisible`, in detectron2
# `size_divisibility`. **Move the slider and watch the right end of the curve.** The last units now see a grey wall
# first, since zero is grey after scaling, and the map's own padding behind it. The fill goes up to the largest photo,
# so the features of a box at the right border depend on which other photos were in the batch.
#
# **Your own network** goes in as `padding_in(net)`, and your photo as `padding_in(net, "holiday.jpg")`. Any module
# works if it returns maps or has some inside, such as a classifier of torchvision or timm. If its photos are not scaled
# as torchvision's are, give `preprocess`.

# %% [markdown]
# ## Check
#
# The arithmetic against the network itself. Take P-Net's feature map and ask autograd which pixels each unit depends
# on.

# %%
from fpnlib.notes.padding.experiments.projected_rois import pnet_gradient_centers, random_net

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
# A **claim** is a sentence with a test, a bound and a control, all written down before the measurement that decides,
# and its **verdict** is that it holds, fails, depends on the case, or is not shown. Three claims are the source's: that
# the RoI becomes a point or a line, that padding cures it, and that performance drops without it. The others are ours:
# windows instead of RoIs, how much padding, and which. In short: **the geometry holds to the pixel; what it costs
# depends on the case, and is large in one: boxes divided by the stride, at the right border.**

# %%
from fpnlib.claims import verdicts

verdicts("PD")

# %% [markdown]
# **A point or a line: it depends on how the box gets onto the map.** Over <span title="PD-1 nets">31</span> nets, P-Net
# among them, we slid RoIs of every width to both borders. Project the box, and formula and real gradients agree for
# all: an RoI has no extent left exactly up to the width above. Divide it by the stride, and at the right border
# <span title="PD-1 nothing_right">260</span> of the <span title="PD-1 degenerate_right">268</span> RoIs that are a
# point by projection read no unit at all. At the left border most of them read two units or more. There the source's
# sentence is not true: the RoI feature is whole and looks elsewhere.
#
# **Pad first.** With the least padding the extent is whole in all <span title="PD-2 n">414</span> cases, at either
# border. With one pixel less on a side that was padded it never is.
#
# **P-Net's windows on faces.** This is a related case, as P-Net has windows and no RoIs. We move a hundred faces and a
# hundred other photos out of the picture, step by step. The measure is the area under ROC: how often a face scores
# above a photo without one. What is cut off is a share of the face's photo, a little wider than the face. The smallest
# change that we count is a hundredth.

# %%
from fpnlib.claims import Result

faces = Result.load("PD-3")
for i, percent in enumerate((0, 10, 20, 30, 40, 50)):
    plain, padded = faces.number(f"area_plain[{i}]"), faces.number(f"area_padded[{i}]")
    gain, low, high = (faces.number(f"gain_{percent}{end}") for end in ("", "_low", "_high"))
    print(
        f"{percent:2d}% cut off: area {plain:.3f}, with six black pixels {padded:.3f}; "
        f"the gain is {gain:.3f}, between {low:.3f} and {high:.3f}"
    )

# %% [markdown]
# It depends on how much is cut off. Up to three tenths P-Net finds nearly every face anyway, and a hundred faces do not
# settle whether padding adds a hundredth. Between three and four tenths lies a cliff: without padding the area falls to
# <span title="PD-3 area_plain[4]">0.770</span>, with six black pixels it stays at
# <span title="PD-3 area_padded[4]">0.951</span>. At half P-Net without padding does hardly better than a coin.
#
# Padded by whole strides, the old windows stay and new ones come, so a best score can only rise, for faces and for
# others alike. That is why the area counts here, and not the score.
#
# **How much.** The area under ROC, averaged over a tenth, three tenths and a half cut off. Without padding it is
# <span title="PD-4 none">0.857</span>.

# %%
amounts = Result.load("PD-4")
for mode in ("zero", "mean", "reflect", "replicate"):
    two, six, twelve = (amounts.number(f"{mode}[{i}]") for i in range(3))
    more, low, high = (amounts.number(f"{mode}_up_to_half{end}") for end in ("", "_low", "_high"))
    print(
        f"{mode:9}: 2 pixels {two:.3f}, 6 pixels {six:.3f}, 12 pixels {twelve:.3f}; "
        f"6 more than 2 by {more:.3f}, between {low:.3f} and {high:.3f}"
    )

# %% [markdown]
# For P-Net's windows half the field is enough, and not always needed: two black pixels do what six do. The mirror image
# and the last pixels do need room. Twelve pixels cannot give more, since a window further out holds too little of the
# face to count.
#
# **Which.** At six pixels the mirror image is <span title="PD-7 reflect">0.058</span> better than black, the mean
# colour <span title="PD-7 mean">0.030</span>, and the far side of the photo <span title="PD-9 circular">0.027</span>.
# The last pixels repeated are not shown to be better. Does the mirror win because a face is symmetric? Turn the
# mirrored strip upside down: it no longer completes the face, but has the same pixels. On average over the three cuts
# it loses <span title="PD-7 mirror_upright">0.002</span>, less than one face. So completing the face is not what helps.
# What does, we do not know: to look like a photo is no answer, as a flat colour does as well as the far side.
#
# **Padding inside a net.** Eight photos, EfficientNet-Lite0, the map of stride sixteen; the astronaut, on which we
# chose the bounds, is left out. How much do the units of a crop differ, alone and in its photo, in the outermost ring
# and in the fourth? And how many rings deep is the deepest unit that differs by more than a tenth? Paddings are
# compared in *doublings*: one doubling is a factor of two. The difference about halves from ring to ring, so half a
# doubling is worth half a ring, and that is the bound.

# %%
inside = Result.load("PD-8")
for name in ("zeros", "reflect", "replicate", "circular"):
    first, fourth, deep = (
        inside.number(f"{name}_{what}") for what in ("ring_1", "ring_4", "reach_10")
    )
    line = f"{name:9}: outermost {first:.2f}, fourth {fourth:.2f}, {deep:.1f} rings deep"
    if name != "zeros":
        gain, low, high = (inside.number(f"{name}_gain{end}") for end in ("", "_low", "_high"))
        line += f"; better than zeros by {gain:.2f} doublings, between {low:.2f} and {high:.2f}"
    print(line)

# %% [markdown]
# No padding beats zeros by the bound. The last units repeated are a little nearer to the truth, but within what the
# photos differ; the mirror image and the far side are further off. Zeros beside the photo make the difference in the
# last two columns <span title="PD-8 filled_over_own">0.68</span> doublings larger. That effect is there, but its
# interval starts at <span title="PD-8 filled_over_own_low">0.49</span>, just below the bound. So the claim as a whole
# is not shown. All of this is one net, trained with zeros; another padding learnt from the start may be another matter.
#
# **RoI features, the case that the source describes.** A tiny net without padding has a receptive field of ten pixels
# and a stride of two. RoIAlign cuts each object's RoI out of its feature map, and a linear layer classifies it as one
# of four shapes from these 3×3 bins alone. It is trained from scratch on shapes anywhere, with the image padded or not,
# and the box is projected or divided by the stride. Here is the accuracy by where the object lies, the mean over
# <span title="PD-6 n">16</span> seeds, and what padding gains at a border beyond what it gains in the middle.

# %%
nets = Result.load("PD-6")
for way in ("projected", "divided"):
    for kind in ("plain", "padded"):
        shown = (
            f"{place} {nets.number(f'{place}_{way}_{kind}'):.3f}"
            for place in ("left", "right", "middle")
        )
        print(f"{way:9}, {kind:6}:", ", ".join(shown))
    for side in ("left", "right"):
        gain, low, high = (nets.number(f"{side}_{way}_gain{end}") for end in ("", "_low", "_high"))
        print(f"           gain at the {side} border {gain:.3f}, between {low:.3f} and {high:.3f}")

# %% [markdown]
# Divide the box by the stride, and at the right border the RoI features are zeros. The nets without padding then get
# <span title="PD-6 right_divided_plain">0.25</span> of the shapes right, and guessing among four would do as well; with
# padding they get all but a few. There the source is right, and the truth is worse than a point or a line.
#
# In the other three cases, at the left border and with the box projected, most nets without padding learn nearly all
# there is. The gains are one to three in a hundred and their intervals too wide to tell: a net can learn to read an RoI
# in the field of the one unit that is left. We count a gain only if it is surely larger than what another seed does,
# about one in a hundred among six trial nets.
#
# **A tiny net's windows.** The same task without RoIs: the best place on the map decides. At the border the nets get
# <span title="PD-5 border_2000_plain">0.973</span> right without padding and
# <span title="PD-5 border_2000_padded">0.999</span> with it. That is <span title="PD-5 effect">0.020</span> more than
# padding gains in the middle, between <span title="PD-5 low">0.010</span> and <span title="PD-5 high">0.030</span>. The
# gain is there; whether it is more than what another seed does, sixteen nets do not settle.
#
# *What changed.* First tests of four of these claims pooled what did not belong together: only one way and one border,
# all cuts in one mean, the mirror image with the last pixels. And the tiny nets once stopped at an eighth of the steps.
# Nets without padding learn more slowly, so the gain then looked ten times as large, in the middle too.

# %% [markdown]
# ## Remember
#
# - Without padding the first unit of a map looks at a place half a receptive field inside the image. An RoI at the
#   border that is narrower than that has no extent on the map, and padding of half a field gives it back.
# - Dividing a box by the stride reads $(r - 2P - S) / 2$ pixels too far right with `aligned=True` and $(r - 2P) / 2$
#   without. Which is exact depends on the net, and nothing warns you. Train and run with the same.
# - What you pad with is part of the picture that the net sees. On P-Net's faces, with six pixels, a mirror image did
#   best, black and the last pixels worst. Inside a net that learnt with zeros nothing did much better than zeros.

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
# **Fifth, a bug to fix.** This is RoIAlign along one row, with one sample in the middle of each bin. Cell $k$ covers
# $[k, k + 1]$, and the box is given in cells. ONNX Runtime shipped this very mistake, taken over from the first
# RoIAlign. For large boxes hardly anybody notices. What goes wrong?

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
# - A. Araujo, W. Norris, J. Sim, *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019.
# - R. Girshick, *Fast R-CNN*, ICCV 2015: RoIPool.
# - K. He et al., *Mask R-CNN*, ICCV 2017: RoIAlign.
# - O. Ronneberger, P. Fischer, T. Brox, *U-Net*, MICCAI 2015: tiles that overlap, and the mirrored border.
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
# - torch, `nn.Conv2d`: `padding_mode`; torchvision, `GeneralizedRCNNTransform`: `size_divisible`.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
# - *Another good page:* A. Araujo, W. Norris, J. Sim, *Computing Receptive Fields of Convolutional Neural Networks*,
#   Distill 2019. It derives the field for nets with several paths and lists it for the well-known ones. Here it is one
#   path at a time, on nets that you can run, since the question is what happens at the border.
