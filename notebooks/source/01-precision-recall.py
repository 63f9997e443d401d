# %% [markdown]
# # 01 · Precision and recall
#
# **In one sentence:** a classifier gives scores, a threshold turns scores into answers, and precision and recall say
# how good the answers are: of what was flagged, how much is positive; of the positives, how many were flagged.
#
# *An hour with everything tried. If you want two evenings, stop after the section on costs.* Run every cell first (menu
# Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# The scores below are real. A linear classifier, logistic regression, looked at scikit-learn's handwritten digits and
# answered one question: is this an eight? Each digit was scored by a model that had not seen it. Eights are called
# positives, the others negatives. A digit is **flagged**, or said to be positive, if its score is at least the
# threshold.
#
# **First a guess.** One digit in ten is an eight. Say you want to find nine of ten eights. Of the digits that you flag
# then, how many are not eights: one in twenty, one in ten, one in three? **Then move the threshold to the left until
# recall is nine tenths, and read the precision.** As you go, the threshold draws two curves below, and each corner of
# the table shows the digit of its kind that scores next to it. Which digits are mistaken for eights?

# %%
from fpnlib.notes.precision_recall.explorers import precision_recall

precision_recall(whole=False)

# %% [markdown]
# More than one in three is not an eight; most of these are ones, nines and threes. And yet the classifier is good: look
# how steeply the curve on the right, the **ROC curve**, climbs. It plots recall against the share of the other digits
# that are flagged wrongly. That share is small, but a small share of so many is a crowd. The histograms hide the crowd,
# since each is scaled to its own class; in true counts the blue one would be nine times as tall.
#
# Now tick *show the whole curves*, start halfway between zero and one, and move right one step at a time. Does
# precision always rise?
#
# ## Why
#
# All of it follows from four counts. A positive that is flagged is a true positive, TP. A negative that is flagged is a
# false positive, FP. A positive that is missed is a false negative, FN. The rest are true negatives, TN.
#
# $$\text{precision} = \frac{TP}{TP + FP} \qquad \text{recall} = \frac{TP}{TP + FN} \qquad
# \text{false positive rate} = \frac{FP}{FP + TN}$$
#
# Lower the threshold until one more example is flagged. If it is a positive, recall grows; if it is a negative, recall
# stays. So **recall never falls as the threshold goes down.** Precision grows in the first case, unless it was perfect,
# and falls in the second, unless it was zero. So **precision may go either way.** It slips a little whenever an eight
# is lost, and jumps up when one of the few other digits drops out. Of the steps between our
# <span title="PR-1 thresholds">1647</span> thresholds, going up, <span title="PR-1 precision_rises">1476</span> raise
# precision and <span title="PR-1 precision_falls">109</span> lower it; the few others, at the far right, leave it at
# one.
#
# Why not simply count the right answers? Because negatives are many. Flag nothing at all, and
# <span title="PR-1 accuracy_of_never">90 %</span> of the digits are answered rightly, though not one eight is found.
# For precision, chance has a level of its own: flag digits at random, and on average precision is the share of eights,
# <span title="PR-1 prevalence">9.7 %</span>, which is called the **prevalence**. On the ROC plot, guessing gives the
# diagonal.
#
# F, the last formula in the picture, is one number between precision and recall, nearer to the smaller. Where the two
# histograms cross, their *shares* are equal, but in true counts there are nine other digits for each eight. So the best
# F lies further right. Find it: it is $0.80$, near zero. Then set β to its largest value, so that recall weighs more:
# the best place is now left of the crossing.

# %% [markdown]
# ### One number for a ranking
#
# F belongs to one threshold. A number for all thresholds is easiest to see on ten examples. Below they stand in order,
# the best score first, and five of them are positive. Walk down from the left, stop at each positive, and write down
# the precision so far: $1/1$, $2/3$, $3/4$, $4/7$, $5/10$. The mean of the five is the **average precision, AP**. Each
# positive adds one fifth to recall, so the mean is also the blue area under the steps in the first panel.
#
# **A guess.** One positive moves up by one place, past a negative. Does AP gain more if that happens at the top of the
# ranking, at the bottom, or is it the same? **Take the item at rank three and put it at rank two. Then put it back and
# move the last one up by one.**

# %%
from fpnlib.notes.precision_recall.explorers import interpolations

interpolations()

# %% [markdown]
# The top counts most: from $2/3$ to $2/2$ is a large step, from $5/10$ to $5/9$ a small one. Now add positives that
# were never found. They count too: the curve ends early, and the rest of the axis counts as zero.
#
# The other panels are also called AP. In each, the zigzag of grey dots, one for each rank, is first made a staircase
# that only falls: at each recall take the best precision from there on.
#
# - **All points** is the area under that staircase. VOC, a public set of labelled photos, has scored so since $2010$.
# - **11 points** reads the staircase at eleven recalls and averages. VOC did so before.
# - **101 points** reads it at a hundred and one. This is the rule of COCO, a larger set of labelled photos.
#
# Here eleven points read more than all points; on our digits they read <span title="PR-3 gap_voc11">0.028</span> less
# than all points. The other two differ from all points by about <span title="PR-3 gap_coco101">0.003</span> or less.
#
# For a whole curve one sort is enough: walk down and count.

# %%
import numpy as np
from sklearn.metrics import average_precision_score

from fpnlib.metrics import average_precision
from fpnlib.notes.precision_recall.experiments.digits import digit_scores

scores, targets = (column.numpy() for column in digit_scores())  # rounded, so some are equal
order = np.argsort(-scores)  # best score first
ranked, hits = scores[order], targets[order]
last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are flagged together
tp, flagged = hits.cumsum()[last], np.arange(1, len(hits) + 1)[last]
precision, recall = tp / flagged, tp / hits.sum()
ap = (np.diff(recall, prepend=0) * precision).sum()
print(f"{len(scores)} scores, {len(recall)} thresholds")
print(f"AP {ap:.6f}, fpnlib's {average_precision(scores, targets):.6f},", end=" ")
print(f"scikit-learn's {average_precision_score(targets, scores):.6f}")

# %% [markdown]
# ### Squeeze the scores
#
# In place of `scores` write `1 / (1 + np.exp(-scores))`, which squeezes them into numbers between zero and one. **Which
# will change: the histograms, the precision-recall curve with its AP, the ROC curve? Decide, then run the cell.**

# %%
changed = scores  # change this
precision_recall(changed, targets)

# %% [markdown]
# Only the histograms change, and the scale of the threshold. The curves read the order of the scores, and no rising
# function alters that. The same goes for the area under the ROC curve: it is how often an eight scores above a digit
# that is none.
#
# Other lines do change the curves. `np.floor(scores)` makes many digits share a score. `-np.abs(scores)` destroys the
# order. `scores + 2 * targets` shows an answer that has leaked into the scores. Your own `scores` and `targets` work
# too.
#
# ### Rare positives
#
# Below there are first as many positives as negatives, and the threshold finds nine of ten eights. Nineteen of twenty
# alarms are right. Now take the same classifier to a place where eights are rarer: a hundred others for each. Every
# kind of digit scores as before.
#
# **Guess how many of twenty alarms are then right, and which of the three panels will stay as it is. Then move the
# first slider to its end.** If you know the answer from the front page: at how many negatives for each positive is half
# of what it flags right?

# %%
from fpnlib.notes.precision_recall.explorers import prevalence

prevalence(ratio=1, threshold=-1.5)

# %% [markdown]
# Half are right at about eighteen to one; at a hundred to one three of twenty. Precision falls from
# <span title="PR-2 precision_1">0.95</span> to <span title="PR-2 precision_100">0.15</span>. Only the ROC panel stays.
# To see why, take one positive with its $r$ negatives. On average $\text{recall}$ positives and $r \cdot \text{FPR}$
# negatives of them are flagged:
#
# $$\text{precision} = \frac{\text{recall}}{\text{recall} + r \cdot \text{FPR}}$$
#
# The ratio $r$ is in precision and in all that is made from it, such as F and AP. Recall and the false positive rate
# look at one class each and do not contain it. So a detector that looks fine on a balanced set can drown in false
# alarms once deployed. Precision tells you how deep. The ROC curve describes the classifier, whatever the mix.
#
# All this assumes **label shift**: only the mix of the classes changes, while each class keeps its scores. Let all
# added negatives be ones, the digit most often taken for an eight, and the area under ROC falls by
# <span title="PR-2 roc_auc_lost_to_ones">0.031</span>.
#
# ### A threshold for what errors cost
#
# Which threshold to take depends on what errors cost. Missing an illness costs more than examining a healthy person
# twice.
#
# Say a miss costs ten false alarms. In the left panel every point above the orange line is cheaper than where you are.
#
# **Drag the orange dot along the ROC curve until you believe that no cheaper point is left. Then tick the box.**

# %%
from fpnlib.notes.precision_recall.explorers import operating_point

operating_point(cost=10.0, best=False)

# %% [markdown]
# How could you tell? Count in false alarms. Let a miss cost $c$ of them, and let there be $r$ negatives for each
# positive. A threshold loses, for each positive,
#
# $$L = c \cdot (1 - \text{recall}) + r \cdot \text{FPR}$$
#
# A step to the right in the ROC panel costs $r$ times its length, and a step up saves $c$ times its length. So through
# each point goes a **line of equal cost** with slope $r / c$ (an *iso-performance line* in the literature), and the
# higher the line, the less it loses. Slide it upwards without turning it until it last touches the curve: there is the
# best threshold. The points that some slope touches last are the corners of the curve's *convex hull*.
#
# With the box ticked, the middle panel has the loss at all thresholds, as a share of what you lose by flagging
# everybody or nobody, whichever is cheaper. The right panel has the best threshold for each slope, in green steps.
# **Let a miss cost one false alarm, with nine negatives for each positive. Then make both ten times as large. Dot, line
# and loss stay**, since only $r / c$ counts: costlier misses make up for rarer positives.
#
# The dashed line in that panel, once you tick the box, needs no search at all. The score of our classifier is the **log
# odds**: the logarithm of the probability of an eight over that of no eight. At zero both are equally likely; at two an
# eight is seven times as likely as not. If a score $s$ is the log odds where there are $r_0$ negatives for each
# positive, then at another ratio the odds are $e^s \cdot r_0 / r$. Flag if missing it is expected to cost more than a
# false alarm:
#
# $$c \cdot e^{s} \cdot \frac{r_0}{r} > 1 \quad\Longleftrightarrow\quad s > \ln \frac{r}{c \cdot r_0}$$
#
# In the middle the green steps stay near this line, at the ends they leave it. Which to trust? The next cell searches
# one half of the digits and asks what the threshold loses on the other, twenty times.

# %%
cost, ratio = 10.0, 9  # try others


def loss(threshold, some):  # on some of the digits; one is the loss of answering blind
    s, t = scores[some], targets[some]
    lost = cost * (s[t] < threshold).mean() + ratio * (s[~t] >= threshold).mean()
    return lost / min(cost, ratio)


rng = np.random.default_rng(0)
formula = np.log(ratio / cost * targets.sum() / (~targets).sum())
losses = []
for _ in range(20):
    one, other = np.array_split(rng.permutation(len(scores)), 2)
    searched = min(scores[one], key=lambda threshold, one=one: loss(threshold, one))
    losses.append((loss(searched, one), loss(searched, other), loss(formula, other)))
own, found, by_formula = np.mean(losses, 0)
spread = np.std([search - log_odds for _, search, log_odds in losses])
print(f"searched: loss {own:.3f} on its own half, {found:.3f} on the other half")
print(f"by the formula: {by_formula:.3f} on the other half; the difference varies by {spread:.3f}")

# %% [markdown]
# The search flatters itself on its own half. On the other half it is here no better than the formula, within what the
# splits vary. (The formula has one small advantage: it knows the mix of all digits.) But the formula takes the scores
# at their word. May one?
#
# ### A score that can be taken at its word
#
# A score of zero says: one half. Of the digits that are told so, are half eights? The left panel below, a **reliability
# diagram**, answers. Digits are put into bins by the probability that the model gave them. Each dot is a bin: its
# horizontal place is the mean probability given, its height the share that are eights. On the diagonal a score can be
# taken at its word. The bins beside one half say $0.45$ and $0.56$ and come out at $0.39$ and $0.75$. But the dots in
# the middle stand for few digits and jump about.
#
# One number for it is the **Brier score**, the mean squared difference between the probability and what happened, which
# is one or zero. *Miscalibration* is the part of it that the diagram shows: the mean squared distance of the dots from
# the diagonal, weighed by their digits.
#
# The explorer divides all scores by a **temperature** before they become probabilities. At two, every answer moves
# closer to one half. **Will the Brier score rise or fall when it gets hotter, and when it gets colder? And will
# miscalibration go with it? Decide. Then drag the black line up to five and down to a fifth.**

# %%
from fpnlib.notes.precision_recall.explorers import calibration

calibration()

# %% [markdown]
# Hotter, the classifier is less sure than it might be: the Brier score rises, and miscalibration with it. Colder, it is
# surer than it should be, and below about $0.8$ the Brier score rises too. But miscalibration stays low. The cold
# pushes nearly all digits into the first and the last bin, and a few blunders move a mean little. The loss turns up as
# *resolution* instead, which says how well the bins part the classes; the readout has it. These parts depend on the
# bins, their sum does not. **So look at the score beside the bins.**
#
# Is our classifier calibrated? Nearly: the Brier score is least at $0.8$, so it is a little too cautious, but it gains
# almost nothing there. AP and the ROC area never notice. In a list read from the top that does no harm. It does harm
# when the number itself is used, by the formula above or by a doctor.
#
# The second slider adds something to the log odds, which is the cure for label shift: going from $r_0$ to $r$ negatives
# per positive, add $\ln (r_0 / r)$. The mean gap in the readout is the *expected calibration error* of a positive. For
# your own model, `calibration(scores, targets)` takes log odds; for a network these are the logits.
#
# ### How sure is an AP?
#
# Other digits would have given another AP, and often one cannot get others. The **bootstrap** draws, from the sample
# and with replacement, as many digits as it has, takes the AP of each draw, and gives the range in which the middle
# $95\,\%$ lie. Below stand our classifier and a rival, linear discriminant analysis. Can one tell which is better?

# %%
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fpnlib.claims import interval_of_resamples
from fpnlib.data import digits

grey = digits()[0].flatten(1).numpy()
folds = StratifiedKFold(5, shuffle=True, random_state=0)
rival = cross_val_predict(
    LinearDiscriminantAnalysis(), grey, targets, cv=folds, method="decision_function"
)
draws = [rng.integers(len(scores), size=len(scores)) for _ in range(500)]
ours, theirs = (
    np.array([average_precision(one[draw], targets[draw]) for draw in draws])
    for one in (scores, rival)
)
for name, values in {"ours": ours, "rival": theirs, "difference": ours - theirs}.items():
    low, high = interval_of_resamples(values)
    print(f"{name:10} {low:.3f} to {high:.3f}")

# %% [markdown]
# One can. The two intervals overlap widely, and yet the difference is above zero nearly always. A draw with many hard
# digits is hard for both, and taken pair by pair, on the same draw, that cancels. So compare on the same examples, and
# give the interval of the difference. No such interval knows that other training digits would have given another
# model.
#
# ### Boxes: right by how much?
#
# When is a detector's box right? Take the area that the box and a labelled box of the same class share, over the area
# that they cover together: the **intersection over union, IoU**. It is one where they are the same box, zero where they
# do not touch, and has to reach a threshold, often one half. Best score first, each box takes the free object that it
# overlaps most, and an object that is taken makes the next box on it a false positive.
#
# The "detector" below gives back exactly the labelled boxes. The bottle in front is filled: dark where box and label
# overlap, light where only one of them is. Its box is forty pixels wide and will move to the right; the others move as
# far, each in its own direction.
#
# **How far may the bottle's box move before its IoU falls below one half: half its width, a third, a quarter? Decide,
# then drag it.**

# %%
from fpnlib.notes.precision_recall.explorers import box_error

box_error()

# %% [markdown]
# A third: after $13$ pixels it still counts, after $14$ it is lost. Moved by $d$, a box of width $w$ shares $w - d$ of
# its width, and both together cover $w + d$. Their quotient is one half at $d = w / 3$. Small and thin objects are lost
# first. Rest the pointer on the middle of any other box to read its IoU.
#
# The bottle costs AP a quarter, since AP is averaged over classes, four here, and this is the only bottle. A mean over
# classes is a *macro* average; to pool all boxes in one ranking is *micro*. COCO's AP is macro, averaged over ten IoU
# thresholds too.
#
# Boxes have no ROC curve, since nobody can count those that were rightly not drawn. VOC and COCO use AP; elsewhere one
# plots recall against the false alarms per image (FROC).
#
# Now a real detector: P-Net, the first and smallest of the three networks of the face detector MTCNN. On the sheet are
# small crops from *Labeled Faces in the Wild*, half of them faces, half background. That set has names and no boxes, so
# **we** chose what is a right box: the edge of the crop.
#
# At an IoU of $0.5$ AP is <span title="PR-4 ap_50">0.84</span>; at $0.75$ it is <span title="PR-4 ap_75">0.08</span>,
# and not one pixel of the answer has changed. **How much of that fall is P-Net's fault, and how much our labels'? Ask
# for an IoU of $0.75$. Then tick the box that moves each label by P-Net's average offset on the other faces.**

# %%
from fpnlib.notes.precision_recall.explorers import detection

detection()

# %% [markdown]
# With the labels moved AP is <span title="PR-4 ap_50_labels_moved">0.97</span> at an IoU of $0.5$, and
# <span title="PR-4 ap_75_labels_moved">0.67</span> at $0.75$. That fall of
# <span title="PR-4 fall_labels_moved">0.30</span> is rough boxes; P-Net was built to propose, and two later networks
# mend them. The larger part came from one constant offset: we and P-Net disagree about where a face ends. Know how your
# labels were drawn before you ask for a strict IoU.
#
# Now move the score from which a box is kept. Precision and recall change, AP does not, as here it reads the whole
# ranking. Many evaluations first cut the ranking, at a least score or at a hundred boxes a photo, and then AP depends
# on the cut.
#
# Your own detector works here too: `detection(predictions, targets, image)` takes mappings of boxes, scores and labels,
# or the paths of a COCO results file and its annotations. The twelve numbers that COCO's tool prints are
# `coco_summary(*load_coco_results("results.json", "instances.json"))`, from `fpnlib.metrics` and `fpnlib.data.coco`.

# %% [markdown]
# ## Measure
#
# Two sentences of this note are **claims**: each has a test, a bound, a control, which shows what the test can see, and
# a **verdict**. Two more are checks of what cannot be otherwise. Open a line for its numbers. Neither claim is free of
# hindsight: we tested the four averages twice, because in the first test one near-tie decided for all, and we chose
# P-Net after a trial had shown its curve.

# %%
from fpnlib.claims import verdicts

verdicts("PR")

# %% [markdown]
# When are two APs different numbers? Both claims take three tenths of a point, $0.003$, as the least gap that matters.
# It is a convention from elsewhere: asked about a gap of that size on COCO, K. He called it "within a reasonable range
# of random variation". On all digits eleven points lie above it, no interpolation stays below, and a hundred and one
# are too near to tell. That AP falls with a stricter IoU was hardly in doubt; the news is how much of the fall the
# labels make.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
# `from fpnlib.exercises import hint, solution` helps: `hint("tied scores")` gives a first hint,
# `hint("tied scores", 2)` the next, and `print(solution("tied scores"))` one right answer.
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
# **Fourth, a prediction.** A detector finds all $n$ objects, but each of them twice: in the ranking, each correct box
# is followed at once by a duplicate on the same object. Half of its boxes are wrong. Is its AP one half, more, or less,
# and what becomes of it as $n$ grows? Decide first. Then write `f(n)` that returns the AP, without interpolation.

# %%
check("found twice", ...)


# %% [markdown]
# **Fifth, a bug to fix.** Two libraries shipped the mistake in the function below; both are named under References.
# Find out for which scores it goes wrong, and mend it.


# %%
def ap_of(scores, targets):
    hits = targets[np.argsort(-scores, kind="stable")]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return precision[hits].mean()


check("tied scores", ap_of)

# %% [markdown]
# ## Remember
#
# - Precision mixes the classes, so it needs the prevalence beside it; recall and the false positive rate do not.
# - AP and the area under ROC read the order of the scores and nothing else: no threshold, no costs, no probabilities.
#   Compare an AP only with one of the same kind, at the same IoU.
# - The best threshold is where a line of slope $r / c$ last touches the ROC curve. Scores that can be taken at their
#   word give it without a search.

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
# | line of equal cost, iso-performance line | 等代价线 | points that lose the same; its slope is r / c |
# | convex hull of the ROC curve | ROC 凸包 | its corners are the thresholds that are best for some slope |
# | log odds | 对数几率 | the logarithm of the probability of yes over that of no |
# | label shift | 标签偏移 | only the mix of the classes changes, each class keeps its scores |
# | bootstrap | 自助法 | draw the sample again, with replacement, to see how much a number varies |
# | macro, micro average | 宏平均、微平均 | every class counts alike; every box counts alike |
# | calibration | 校准 | of those that were given p, a share of p is positive |
# | reliability diagram | 可靠性图 | in bins, the probability said and the share that came true |
# | temperature | 温度 | what log odds are divided by, to make them less sure |
# | Brier score | 布里尔分数 | the mean squared distance of probabilities from what happened |
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
# - T. Saito and M. Rehmsmeier, *The Precision-Recall Plot Is More Informative than the ROC Plot When Evaluating Binary
#   Classifiers on Imbalanced Datasets*, PLOS ONE 2015; and, on what is wrong with averaging precision, P. Flach and M.
#   Kull, *Precision-Recall-Gain Curves*, NIPS 2015.
# - D. Bolya et al., *TIDE: A General Toolbox for Identifying Object Detection Errors*, ECCV 2020: which kind of error
#   costs how much AP.
# - F. Provost and T. Fawcett, *Robust Classification for Imprecise Environments*, Machine Learning 2001:
#   iso-performance lines and the convex hull of the ROC curve.
# - G. W. Brier, *Verification of Forecasts Expressed in Terms of Probability*, Monthly Weather Review 1950, and A. H.
#   Murphy, *A New Vector Partition of the Probability Score*, Journal of Applied Meteorology 1973: the score, its
#   parts.
# - C. Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017: networks that are too sure, and one
#   temperature as the cure.
# - Order-dependent AP where scores are equal: [vlfeat, issue 51](https://github.com/vlfeat/vlfeat/issues/51), and
#   [burn, issue 5683](https://github.com/tracel-ai/burn/issues/5683), since mended.
# - K. He in facebookresearch/moco, issue 39 on GitHub: his opinion on a gap of 0.3 points of AP, without runs of it.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
# - *Another good page:* MLU-Explain, *Precision & Recall*. There a threshold is dragged through points that one can
#   count with the eye, and each lands in its corner of the table. Ours are the scores of a real classifier, too many to
#   follow one by one, so here we draw histograms.
