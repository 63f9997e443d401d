# %% [markdown]
# # Deep into the space
#
# Notes on deep-learning vision that you can move. Each note takes a saying that people in the field repeat, shows what
# it means with sliders on real data, and then **measures whether it is true**. A saying that fails is reported as such.
#
# *How to read:* open a note, choose Run → Run All Cells, and move the sliders, with the mouse or with Tab and the
# arrow keys. Under each picture stands what it shows, in words. The pictures you see before running are saved ones.

# %% [markdown]
# ## The notes
#
# ### [01 · Precision and recall](01-precision-recall.ipynb)
#
# [![Histograms of two classes with a threshold line, a confusion matrix, a precision-recall curve and a ROC
# curve](../images/01-precision-recall.png)](01-precision-recall.ipynb)
#
# What a threshold trades, why rare positives ruin precision and leave ROC alone, why "AP" is more than one number, and
# when a box counts as right. *Half an hour; no earlier note needed.*
#
# You will be able to read any PR curve, to say which AP a paper means, and to put your own model's scores or boxes
# into the same explorers.
#
# ### [02 · The padding pitfall](02-padding-pitfall.ipynb)
#
# [![A strip of pixels with the units of three layers above it and a region of interest that shrinks to a point at the
# border](../images/02-padding-pitfall.png)](02-padding-pitfall.ipynb)
#
# In a small network without padding, a region of interest at the border lands on the feature map as a line or a point.
# The exact width below which it does, a real face detector that loses a face, and how much padding brings it back.
# *Forty minutes; no earlier note needed.*
#
# You will be able to compute the receptive field of any chain of layers by hand, to project a box to a feature map
# under the convention your library uses, and to say how much padding a border object needs.
#
# ### [03 · The segmentation head](03-segmentation-head.ipynb)
#
# [![Validation mIoU of many networks over training, their last values by head, and three measures of
# unrest](../images/03-segmentation-head.png)](03-segmentation-head.ipynb)
#
# Is a single 3×3 convolution a bad last layer? Five heads, three learning rates, and enough seeds to tell a difference
# from luck. *Half an hour; no earlier note needed.*
#
# You will be able to say what "unsteady" can mean, to measure it, and to ask for the control that is missing.
#
# ### [04 · The feature pyramid](04-fpn.ipynb)
#
# [![A photo, one map of a feature pyramid in colours, and all maps at their true
# size](../images/04-fpn.png)](04-fpn.ipynb)
#
# From one photo to P5: the backbone's maps, the laterals, the way down, the 3×3; and what each part is worth to a small
# detector, measured by leaving it out. *One hour; no earlier note needed.*
#
# You will be able to write a feature pyramid that is right at odd sizes, to say what each part is for, and to look at
# your own network's maps on your own photo.
#
# ### [05 · Learning-rate warm-up](05-warmup.ipynb)
#
# [![A map of how training ends over learning rate and length of warm-up, and the loss curves of one
# cell](../images/05-warmup.png)](05-warmup.ipynb)
#
# Why training starts slowly: schedules without the usual off-by-one, a map of learning rate against warm-up over many
# seeds, and the curvature of the loss along the way. *Fifty minutes; no earlier note needed.*
#
# You will be able to design a schedule that resumes, and to say when warm-up helps and when it does not.
#
# ### [06 · Batch normalisation](06-batch-norm.ipynb)
#
# [![The computation graph of batch normalisation with values and gradients of a tiny
# batch](../images/06-batch-norm.png)](06-batch-norm.ipynb)
#
# The three gradients, derived line by line beside the code, the bookkeeping that many tutorials get wrong, and what
# small batches and large rates do. *Fifty minutes; no earlier note needed.*
#
# You will be able to write the backward pass, to tell wrong versions by their tests, and to fold it into a convolution.
#
# ### [07 · Add or concatenate](07-add-vs-concat.ipynb)
#
# [![Two small inputs, their kernels, and the difference between adding and
# concatenating](../images/07-add-vs-concat.png)](07-add-vs-concat.ipynb)
#
# When adding is the same as concatenating, what each costs, and when either is better, in seven systems that run:
# FPN, CPN, edge detection, ResNet, LSTM, U-Net and DenseNet. *One hour; the feature pyramid helps.*
#
# You will be able to prove the identity, to count what a fusion costs, and to say what decides between them.
#
# ### [08 · What is hard in semantic segmentation](08-segmentation-difficulties.ipynb)
#
# [![A street café with the wrong pixels of a thin error marked, and three measures of
# it](../images/08-segmentation-difficulties.png)](08-segmentation-difficulties.ipynb)
#
# Thin errors and wrong regions, two kinds of mean, masks in boxes, coarse grids, superpixels: reasons why labelling
# every pixel is hard, on one real photo. *Forty minutes; the segmentation head helps.*
#
# You will be able to choose a measure that sees what you care about, and to say what a box or a stride costs at best.
#
# ### [09 · On doing research](09-research.ipynb)
#
# [![Twelve plans of three bars, one for each month a project can begin in, with a yearly deadline
# above](../images/09-research.png)](09-research.ipynb)
#
# The year of a first paper as a planner: three lengths, a start, a deadline. *Ten minutes; no earlier note needed.*
#
# You will be able to say when a project must begin, and which of the source's remarks no notebook can test.

# %% [markdown]
# ## What was measured
#
# Every claim has a test that was written down before the stored measurement. Where a trial had been seen by then, the
# note says so. The table shows what came out, with its 95 %
# interval where chance plays a part. *Holds*: the test is met. *Fails*: it is not. *Depends*: the interval spans the
# limit.

# %%
from fpnlib.claims import CONFIDENCE, verdicts

print(f"intervals: {CONFIDENCE:.0%}, bootstrap over seeds")
verdicts()

# %% [markdown]
# The numbers with their seeds, versions and commands lie in `fpnlib/results/`. `python -m fpnlib.claims` prints them in
# a terminal, and with `--recompute` it measures them again on your machine. The tests of this repository do so at every
# change: claims without chance in full, the others at two of their seeds.
