# %% [markdown]
# # 01 · Precision and recall
#
# **In one sentence:** a classifier gives scores, a threshold turns scores into answers, and precision and recall say
# how good the answers are: of what was flagged, how much is positive; of the positives, how many were flagged.
#
# *Half an hour. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders. They
# work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# The scores below are real. A linear classifier looked at scikit-learn's handwritten digits and answered one question:
# is this an eight? Each digit was scored by a model that had not seen it. Eights are called positives, the others
# negatives. A digit is **flagged**, or said to be positive, if its score is at least the threshold. Four tiles count
# the four cases, and the darker a tile, the larger its share of its row.
#
# Below the scores are two curves over all
# thresholds. One is precision against recall; the area under it is the **average precision, AP**. The other is the
# **ROC curve**: recall against the share of the other digits that is flagged wrongly; the area under it is how often an
# eight scores above another digit.
#
# **Move the threshold to the left. Watch recall grow, and see what it costs.**

# %%
from fpnlib.notes.precision_recall.explorers import precision_recall

precision_recall()

# %% [markdown]
# Four things to try.
#
# - F is one number between precision and recall; its formula stands in the picture. Put the threshold where
#   the orange histogram overtakes the blue one. That is not where F is best. Find the best F.
# - Set β to its largest value and look for the best F again. With a large β a missed eight costs more than a false
#   alarm.
# - Go to the far right. Precision is high, recall is low: the classifier says little, and what it says is right.
# - Start halfway between zero and one and move right by one step at a time. Recall never rises. Up here nearly all
#   that is flagged is an eight, so at most steps an eight is lost and precision slips back a little; when one of the
#   few other digits drops out, it jumps up. Far to the left it is the other way round: at nearly every step another
#   digit drops out, and precision grows.
#
# Your own scores work too: `precision_recall(scores, targets)`. Scores are finite numbers of any size, targets are
# zeros and ones, or booleans, and both kinds occur.

# %% [markdown]
# ## Why
#
# All of it follows from four counts. A positive that is flagged is a true positive, TP. A negative that is flagged is a
# false positive, FP. A positive that is missed is a false negative, FN. The rest are true negatives, TN.
#
# $$\text{precision} = \frac{TP}{TP + FP} \qquad \text{recall} = \frac{TP}{TP + FN} \qquad
# \text{false positive rate} = \frac{FP}{FP + TN}$$
#
# Recall and the false positive rate each look at one class alone. Precision mixes the two. This one difference
# explains most of what follows.
#
# Lower the threshold until one more example is flagged. It is either a positive or a negative. If it is a positive, TP
# grows and FN shrinks, so recall grows. If it is a negative, recall stays. So **recall never falls as the threshold
# goes down.** Precision grows in the first case, unless it was perfect, and falls in the second, unless it was
# nothing. So **precision may go either way.**
#
# Why not simply count the right answers? Because negatives are many. Flag nothing at all, and
# <span title="PR-1 accuracy_of_never">90 %</span> of the digits are answered rightly, though not one eight is found.
# That is the *accuracy paradox*: with rare positives, accuracy mostly measures their rarity. Precision has a floor of
# its own to be read against. Flag digits at random, and precision is the share of eights,
# <span title="PR-1 prevalence">9.7 %</span>, at every recall. A precision-recall curve is as good as it lies above that
# line, the **prevalence**; for ROC the same classifier by chance is the diagonal.

# %% [markdown]
# The whole curve costs one sort. Walk down the sorted scores and count. In NumPy it takes a few lines; the library's
# own function, which counts missed objects too, must give the same.

# %%
import numpy as np

from fpnlib.metrics import precision_recall_curve
from fpnlib.notes.precision_recall.experiments.digits import digit_scores

scores, targets = digit_scores()
order = np.argsort(-scores.numpy())  # best score first
ranked, hits = scores.numpy()[order], targets.numpy()[order]
last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are flagged together
tp, flagged = np.cumsum(hits)[last], np.arange(1, len(hits) + 1)[last]
precision, recall = tp / flagged, tp / hits.sum()

curve = precision_recall_curve(scores, targets)  # it begins at the lowest threshold
np.testing.assert_allclose(curve.precision[:-1], precision[::-1])
np.testing.assert_allclose(curve.recall[:-1], recall[::-1])
print("equal at all thresholds")

# %% [markdown]
# ### Rare positives
#
# The digits hold about nine others for each eight, and there the slider starts. Now take the same classifier to a
# place where positives are rarer. The scores of an eight do not change, nor do those of the other digits. There are
# just more of the others.
#
# **Move the first slider to the right. Watch which curve sinks and which stays.**

# %%
from fpnlib.notes.precision_recall.explorers import prevalence

prevalence()

# %% [markdown]
# Say there are $r$ negatives for each positive. Of one positive and its $r$ negatives, $\text{recall}$ of the first and
# $r \cdot \text{FPR}$ of the others are flagged:
#
# $$\text{precision} = \frac{\text{recall}}{\text{recall} + r \cdot \text{FPR}}$$
#
# The ratio $r$ is in precision and in all that is made from it, such as F and AP. It is not in recall and not in the
# false positive rate. So a precision needs its prevalence beside it. Two papers with different test sets cannot be
# compared by precision alone, and a detector that looks fine on a balanced set can drown in false alarms once deployed.
#
# One assumption is in all of this, and it is called **label shift**: only the mix of the classes changes, while each
# class keeps its scores. In another place the negatives are often also other things, and then the false positive rate
# and ROC move too; where the positives look different, so does recall.

# %%
from fpnlib.explore import source
from fpnlib.notes.precision_recall.experiments.class_ratio import precision_at_ratio

source(precision_at_ratio)

# %% [markdown]
# ### One ranking, several averages
#
# People want one number for the curve, and call it average precision, AP. There are at least four ways to take it.
#
# - **No interpolation**: the precision at each positive, averaged. This is the area under the steps.
# - **All points**: at each recall take the best precision from there on. The zigzag of the grey
#   dots, one for each rank, becomes a staircase that only falls.
# - **11 points**: the same staircase, read at eleven recalls.
# - **101 points**: the same, read at a hundred and one.
#
# VOC and COCO in the titles are two public sets of labelled photos, each with its own rule.
#
# **Take the last item and move it up, rank by rank; where it passes another positive nothing changes. Then add
# positives that were never found.**

# %%
from fpnlib.notes.precision_recall.explorers import interpolations

interpolations()

# %% [markdown]
# The order of the four numbers is not fixed: reading at few points can lie above or below the area. What is fixed is
# that the staircase is never lower than the zigzag. So compare AP only with AP of the same kind.
#
# Positives that were never found count too. No threshold reaches them, so the curve ends before recall gets to the
# right edge, and the rest of the axis counts as zero.

# %% [markdown]
# ### Boxes: right by how much?
#
# A detector gives boxes. Before one can count, one has to say when a box is right. The usual rule: intersection over
# union, IoU, with a labelled box of the same class is at least a threshold. Best score first, each box takes the free
# object that it overlaps most. An object that is taken already makes the next box on it a false positive.
#
# First the geometry alone. The photo has labelled instances, and the "detector" gives back exactly those boxes, each
# moved by a few pixels in its own direction. They all have the same score.
#
# **Move the boxes. Small and thin ones stop counting first. Then ask for a lower IoU and get most of them back.**

# %%
from fpnlib.notes.precision_recall.explorers import box_error

box_error()

# %% [markdown]
# AP is taken class by class and then averaged. The photo has four classes, one bottle and eight chairs among them. With
# the IoU back at $0.5$ move the boxes by thirteen pixels, then by fourteen: the bottle, the labelled jar in front, is
# lost, and AP falls by one quarter of all there is. All eight chairs together cannot cost more. Precision and recall
# count every box alike, AP every class.
#
# Now a real detector. P-Net is the first and smallest of the three networks of the face detector MTCNN, here with its
# real weights. The page holds small photos from *Labeled Faces in the Wild*, half of them faces. The labelled box of a
# face is the edge of its photo.
#
# **Raise the IoU from $0.5$. The boxes do not move, and yet AP collapses.**

# %%
from fpnlib.notes.precision_recall.explorers import detection

detection()

# %% [markdown]
# P-Net finds nearly every face. At a low IoU it looks excellent, at a high one useless. One reason is that it was built
# to propose: its boxes are rough, and two later networks mend them. Another is the label: the edge of a photo is not
# the edge of a face, and P-Net draws a narrower box. A strict IoU punishes both alike. COCO averages over ten
# thresholds, the last number in the picture.
#
# Lower the score from which a box is kept by a little, then raise it again. Precision mostly grows, recall never rises,
# and AP does not move: it reads the whole ranking and needs no threshold.
#
# Your own detector works too. `detection(predictions, targets, image)` takes, for each image, a mapping such as
# `{"boxes": [[x0, y0, x1, y1]], "scores": [s], "labels": [k]}`, or the paths of a COCO results file and its
# annotations.

# %% [markdown]
# ## Check
#
# Numbers are only worth something if they are the numbers others mean. Here the same scores go through this library and
# through scikit-learn. The tests do the same with pycocotools on thousands of random detections, with ties, with crowds
# (one label for many objects), and with classes that have no object.

# %%
import sklearn.metrics

from fpnlib.metrics import average_precision, roc_curve

ours, theirs = (
    precision_recall_curve(scores, targets),
    sklearn.metrics.precision_recall_curve(targets, scores),
)
np.testing.assert_allclose(ours.precision, theirs[0])
np.testing.assert_allclose(ours.recall, theirs[1])
np.testing.assert_allclose(ours.thresholds, theirs[2])
print("precision-recall curve: equal")

roc, reference = (
    roc_curve(scores, targets),
    sklearn.metrics.roc_curve(targets, scores, drop_intermediate=False),
)
np.testing.assert_allclose(roc.fpr, reference[0])
np.testing.assert_allclose(roc.tpr, reference[1])
print("ROC curve: equal")

np.testing.assert_allclose(
    average_precision(scores, targets), sklearn.metrics.average_precision_score(targets, scores)
)
print("average precision: equal")

# %% [markdown]
# ## Measure
#
# Two claims of this note, and two checks of what cannot be otherwise. Each test was fixed before measuring. *Effect* is
# the number that stands for a claim. *n* counts what stands behind it: steps, seeds, digits, photos. Intervals come
# from digits, or photos, drawn again with replacement, or from seeds.

# %%
from fpnlib.claims import verdicts

verdicts("PR")

# %% [markdown]
# **The trade, a check.** Over all <span title="PR-1 thresholds">1647</span> thresholds of the digit classifier recall
# never rises with the threshold. Precision falls at <span title="PR-1 precision_falls">109</span> of the steps and
# rises at <span title="PR-1 precision_rises">1476</span>; at the others it stays. Most of the rises lie far to the
# left, where nearly all that is left to lose are other digits. From a score of zero on, it falls at
# <span title="PR-1 precision_falls_above_zero">56</span> steps and rises at
# <span title="PR-1 precision_rises_above_zero">9</span>. So "higher threshold, higher precision" is a tendency, not a
# law.
#
# **Prevalence, a check under label shift.** One threshold, the one that finds <span title="PR-2 recall">90 %</span> of
# the eights; scores fixed, negatives drawn again for each of <span title="PR-2 n">64</span> seeds. With as many
# negatives as positives precision is <span title="PR-2 precision_1">0.95</span>. With a hundred for each positive it is
# <span title="PR-2 precision_100">0.15</span>, and that is what the formula says. The area under the ROC curve stays:
# <span title="PR-2 roc_auc_1">0.979</span> and <span title="PR-2 roc_auc_100">0.978</span>. The draws could not show
# anything else, since the negatives keep their scores. Where they do not, it shows at once: let the added negatives all
# be ones, the digit most often taken for an eight, and the area falls by
# <span title="PR-2 roc_auc_lost_to_ones">0.031</span>.
#
# **Four averages: it depends which two.** The smallest gap that matters is three thousandths, three tenths of a point
# as papers print it: by so much two trainings of one detector differ on COCO, as an author of several detectors puts
# it. On the digits the area under the staircase, all points, is <span title="PR-3 digits_all">0.889</span>. Eleven
# points read <span title="PR-3 digits_voc11">0.861</span> off the same staircase. That gap,
# <span title="PR-3 gap_voc11">0.028</span>, is between <span title="PR-3 gap_voc11_low">0.017</span> and
# <span title="PR-3 gap_voc11_high">0.038</span> when the digits are drawn again, so eleven points are another number. A
# hundred and one points give <span title="PR-3 digits_coco101">0.886</span>; their gap is too near to three thousandths
# to tell. No interpolation gives <span title="PR-3 digits_none">0.888</span>; that gap stays below it. A long ranking
# has a fine zigzag, and the staircase over it hardly differs.
#
# Is it otherwise on a short ranking? We dealt the digits into <span title="PR-3 short_rankings">17</span> rankings of
# ten eights and <span title="PR-3 short_others">95</span> others each. Eleven points are
# <span title="PR-3 short_gap_voc11">0.009</span> away from all points on average, a hundred and one only
# <span title="PR-3 short_gap_coco101">0.001</span>; for no interpolation,
# <span title="PR-3 short_gap_none">0.002</span>, the rankings do not settle it. On the ten items of the explorer, which
# were chosen for it, the four spread over <span title="PR-3 ten_largest">0.043</span>. So compare AP only with AP of
# the same kind; it matters most for eleven points.
#
# We first asked that the *least* gap of any two exceed a thousandth, on one sample. So one near-tie sank a saying that
# is true of the others, by a bound without a reason. Now each pair has its own verdict.
#
# **IoU.** P-Net's AP is <span title="PR-4 ap_50">0.84</span> at an IoU of $0.5$ and
# <span title="PR-4 ap_75">0.08</span> at $0.75$. Not one pixel of its answer changed. The fall,
# <span title="PR-4 fall">0.76</span>, lies between <span title="PR-4 fall_low">0.60</span> and
# <span title="PR-4 fall_high">0.88</span> when the photos are drawn again. How much of that is the label's fault? Shift
# and stretch each label by one and the same share of its sides, the mean offset that P-Net has from the *other* faces,
# and the second number becomes <span title="PR-4 ap_75_labels_moved">0.67</span>. So one constant offset explains most
# of the fall: P-Net and the labels mean another edge by "a face". The rest,
# <span title="PR-4 fall_labels_moved">0.30</span> from $0.5$ to $0.75$, is rough boxes. Know how your labels were drawn
# before you ask for a strict IoU.
#
# One thing weakens this last verdict. Its test was fixed first, its detector was not. The first try slid an image
# classifier over the café photo. At nearly all of its settings it found next to nothing at an IoU of $0.5$, so
# there was hardly any AP to lose. P-Net took its place, and a trial had shown its curve before it was chosen. Read the
# verdict as true of this detector and this page.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says. The checks use random data, so a
# formula that is nearly right is found out.
#
# **First.** Write `f(scores, targets, threshold)` that returns precision and recall. The first two are NumPy arrays,
# `targets` is boolean. A score of at least the threshold is flagged. Where nothing is flagged, precision is one.

# %%
from fpnlib.exercises import check

check("precision and recall", ...)

# %% [markdown]
# **Second.** Write `f(ranking)` that returns the AP without interpolation. `ranking` is a boolean array, best score
# first.

# %%
check("average precision", ...)

# %% [markdown]
# **Third.** Write `f(recall, false_positive_rate, ratio)` that returns the precision at `ratio` negatives per positive.

# %%
check("rarer positives", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import solution`, then `print(solution("rarer positives"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | precision | 精确率 | of what was flagged, the share that is right |
# | recall, true positive rate | 召回率 | of the positives, the share that was flagged |
# | false positive rate | 假阳性率 | of the negatives, the share that was flagged |
# | ROC curve | ROC 曲线 | recall against the false positive rate, one point for each threshold |
# | F-score | F 值 | the weighted harmonic mean of precision and recall; recall weighs β² times as much |
# | threshold | 阈值 | the score from which an example is flagged |
# | prevalence | 正例比例 | the share of positives among all examples |
# | average precision | 平均精度 | precision averaged over recall |
# | intersection over union | 交并比 | area two boxes share, over the area they cover together |
#
# ## References
#
# - M. Everingham et al., *The PASCAL Visual Object Classes (VOC) Challenge*, IJCV 2010: the interpolated AP, first at
#   eleven points.
# - T.-Y. Lin et al., *Microsoft COCO: Common Objects in Context*, ECCV 2014, and pycocotools: ten IoU thresholds.
# - J. Davis and M. Goadrich, *The Relationship Between Precision-Recall and ROC Curves*, ICML 2006: between two points
#   of the curve precision follows no straight line but a curve, which they derive; a straight line promises too much.
# - T. Fawcett, *An Introduction to ROC Analysis*, Pattern Recognition Letters 2006: what a change of the class mix
#   does.
# - K. He in facebookresearch/moco, issue 39 on GitHub: a gap of 0.3 points of AP is within random variation on COCO.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
