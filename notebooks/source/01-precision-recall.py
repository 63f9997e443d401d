# %% [markdown]
# # 01 · Precision and recall
#
# **In one sentence:** a classifier gives scores, a threshold turns scores into answers, and precision and recall say
# how good the answers are: of what was flagged, how much is positive; of the positives, how many were flagged.
#
# *An hour and a quarter with everything tried; the chapter on costs is a good place to rest. You need no earlier note.*
# Run every cell first (menu Run → Run All Cells), then move the sliders. They work from the keyboard too: Tab to a
# slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# The scores below are real. A linear classifier, logistic regression, looked at scikit-learn's handwritten digits and
# answered one question: is this an eight? Each digit was scored by a model that had not seen it. Eights are called
# positives, the others negatives. A digit is **flagged**, or said to be positive, if its score is at least the
# threshold. The darker a tile of the table, the larger its share of its row.
#
# The lower row has two curves over all thresholds. One is precision against recall; the area under it is the **average
# precision, AP**. The other is the **ROC curve**: recall against the share of the other digits that is flagged wrongly.
# The area under it is how often an eight scores above another digit.
#
# **First a guess.** One digit in ten is an eight. Say you want to find nine of ten eights. Of the digits that you flag
# then, how many are not eights: one in twenty, one in ten, one in three? Settle on an answer. **Then move the threshold
# to the left until recall is nine tenths, and read the precision.**

# %%
from fpnlib.notes.precision_recall.explorers import precision_recall

precision_recall()

# %% [markdown]
# More than one in three is not an eight. And yet the classifier is good: look how far the ROC curve bends into its
# corner. Only a small share of the other digits is flagged, but there are so many of them that a small share is a
# crowd. The histograms hide the crowd, since each is scaled to its own class; in true counts the blue one would be nine
# times as tall.
#
# Two more things to try.
#
# - F is one number between precision and recall, nearer to the smaller of the two; its formula is in the picture. Put
#   the threshold where the orange histogram overtakes the blue one. The best F lies further right, because at the
#   crossing there are still nine other digits for each eight. Find it. Then set β to its largest value, so that a
#   missed eight costs more than a false alarm, and find it again.
# - Start halfway between zero and one and move right, one step at a time. Recall never rises. Precision slips a little
#   whenever an eight is lost, and jumps up when one of the few other digits drops out.
#
# Your own scores work too: `precision_recall(scores, targets)`, with finite numbers, and zeros and ones or booleans.

# %% [markdown]
# ## Why
#
# All of it follows from four counts. A positive that is flagged is a true positive, TP. A negative that is flagged is a
# false positive, FP. A positive that is missed is a false negative, FN. The rest are true negatives, TN.
#
# $$\text{precision} = \frac{TP}{TP + FP} \qquad \text{recall} = \frac{TP}{TP + FN} \qquad
# \text{false positive rate} = \frac{FP}{FP + TN}$$
#
# Recall and the false positive rate each look at one class alone. Precision mixes the two, and that explains most of
# what follows.
#
# Lower the threshold until one more example is flagged. If it is a positive, TP grows and FN shrinks, so recall grows.
# If it is a negative, recall stays. So **recall never falls as the threshold goes down.** Precision grows in the first
# case, unless it was perfect, and falls in the second, unless it was already zero. So **precision may go either way.**
#
# Why not simply count the right answers? Because negatives are many. Flag nothing at all, and
# <span title="PR-1 accuracy_of_never">90 %</span> of the digits are answered rightly, though not one eight is found.
# With rare positives, accuracy mostly measures their rarity. Precision has a floor of its own. Flag digits at random,
# and precision is the share of eights, <span title="PR-1 prevalence">9.7 %</span>, at every recall. This share is the
# **prevalence**. The further a precision-recall curve lies above that line, the better; on the ROC plot, guessing at
# random gives the diagonal.

# %% [markdown]
# The whole curve costs one sort. Walk down the sorted scores and count. Average precision is then one more line: each
# step of recall counts with the precision that it has there.

# %%
import numpy as np
from sklearn.metrics import average_precision_score

from fpnlib.metrics import average_precision
from fpnlib.notes.precision_recall.experiments.digits import digit_scores

scores, targets = (column.numpy() for column in digit_scores())
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
# ### Only the order counts
#
# In that cell the scores are sorted, and after that nobody looks at them again. So guess: the next cell squeezes all
# scores into numbers between zero and one. **Which will change: the histograms, the precision-recall curve with its AP,
# the ROC curve?** Then look.

# %%
changed = 1 / (1 + np.exp(-scores))  # change this
precision_recall(changed, targets)

# %% [markdown]
# Only the histograms and the scale of the threshold. The curves go by the order of the scores, and no rising function
# changes that. (The threshold starts at a slightly different place; set it to $0.75$, and the four counts are the old
# ones too.)
#
# Now change the line. Try `np.floor(scores)`: many digits share a score, and the curve has few points. Try
# `-np.abs(scores)`: the order itself is gone. Try `scores + 2 * targets`: that is what it looks like when the answer
# has leaked into the scores.

# %% [markdown]
# ### Rare positives
#
# The digits hold about nine others for each eight, and there the slider starts. Now take the same classifier to a place
# where positives are rarer. Every kind of digit scores as before. There are just more of the others.
#
# **Guess which of the two curves will sink. Then move the first slider to the right.** The grey curve is for as many
# positives as negatives, and the small dot at its far end is the prevalence.

# %%
from fpnlib.notes.precision_recall.explorers import prevalence

prevalence()

# %% [markdown]
# Say there are $r$ negatives for each positive. Take one positive and its $r$ negatives. On average $\text{recall}$
# positives and $r \cdot \text{FPR}$ negatives of them are flagged:
#
# $$\text{precision} = \frac{\text{recall}}{\text{recall} + r \cdot \text{FPR}}$$
#
# The ratio $r$ is in precision and in all that is made from it, such as F and AP. It is not in recall and not in the
# false positive rate. So a precision needs its prevalence beside it, and a detector that looks fine on a balanced set
# can drown in false alarms once deployed. Precision and recall tell you how deep; ROC tells of the classifier apart
# from the mix it happened to meet.
#
# All this assumes **label shift**: only the mix of the classes changes, while each class keeps its scores. Where the
# negatives are also other things, the false positive rate and ROC move too; where the positives look different, so does
# recall.

# %%
from fpnlib.explore import source
from fpnlib.notes.precision_recall.experiments.class_ratio import precision_at_ratio

source(precision_at_ratio)

# %% [markdown]
# ### A threshold for what errors cost
#
# Precision and recall say what a threshold does. They do not say which one to take. That depends on what errors cost.
# To overlook an illness costs more than to look twice at a healthy person.
#
# Say a miss costs ten false alarms. In the left panel every point above the orange line is cheaper than where you are,
# every point below costs more. The best threshold is hidden for now.
#
# **Drag the orange dot along the ROC curve until you believe that no cheaper point is left. Then tick the box.**

# %%
from fpnlib.notes.precision_recall.explorers import operating_point

operating_point(cost=10.0, best=False)

# %% [markdown]
# How could you tell? Count in false alarms. Let a miss cost $c$ of them, and let there be $r$ negatives for each
# positive, as above. A threshold loses, for each positive,
#
# $$L = c \cdot (1 - \text{recall}) + r \cdot \text{FPR}$$
#
# A step to the right in the ROC panel costs $r$ times its length, and a step up saves $c$ times its length. So through
# each point goes a **line of equal cost** with slope $r / c$, and the higher the line, the less it loses. Slide it
# upwards without turning it until it last touches the curve: there is the best threshold.
#
# Once the box is ticked, the middle panel has the loss at all thresholds, as a share of what you lose without looking
# at a single score: flag everybody or nobody, whichever is cheaper. **With the slider for the ratio make the slope one,
# then ten.** Where positives are rare and a miss is cheap, even a good classifier is hardly better than flagging
# nobody.
#
# The right panel has the best threshold for each slope, in green steps, with your slope as the dot. **Let a miss cost
# one false alarm, with nine negatives for each positive. Then make both ten times as large. Dot, line and loss stay**,
# since only $r / c$ counts (the arrow at the top marks $r$ alone): costlier misses and rarer positives can make up for
# each other.
#
# The dashed line needs no search at all. The score of our classifier is the **log odds**: the logarithm of the
# probability of an eight over that of no eight. At zero both are equally likely; at two an eight is seven times as
# likely as not. If a score $s$ is the log odds where there are $r_0$ negatives for each positive, then at another ratio
# the odds are $e^s \cdot r_0 / r$. Flag if missing it is expected to cost more than a false alarm:
#
# $$c \cdot e^{s} \cdot \frac{r_0}{r} > 1 \quad\Longleftrightarrow\quad s > \ln \frac{r}{c \cdot r_0}$$
#
# In the middle the steps stay near this line, at the ends they leave it. Which to trust? A search is best on the digits
# it has searched, so the next cell searches one half of the digits and asks what the threshold loses on the other.

# %%
cost, ratio = 10.0, 9  # change these


def loss(threshold, some):  # on some of the digits; one is the loss of answering blind
    s, t = scores[some], targets[some]
    return (cost * (s[t] < threshold).mean() + ratio * (s[~t] >= threshold).mean()) / min(
        cost, ratio
    )


rng = np.random.default_rng(0)
splits = [np.array_split(rng.permutation(len(scores)), 2) for _ in range(20)]
searched = [min(scores[one], key=lambda t, one=one: loss(t, one)) for one, _ in splits]
by_log_odds = np.log(ratio / cost * targets.sum() / (~targets).sum())
found = np.mean([(loss(t, a), loss(t, b)) for t, (a, b) in zip(searched, splits, strict=True)], 0)
formula = np.mean([loss(by_log_odds, other) for _, other in splits])
print(f"searched: {found[0]:.3f} on its own half, {found[1]:.3f} on the other half")
print(f"by log odds, threshold {by_log_odds:.2f}: {formula:.3f} on the other half")
print(operating_point(cost=cost, ratio=ratio).readout)

# %% [markdown]
# On digits that it has not searched, the search is no better than the formula. But the formula trusts the scores as log
# odds, and whether one may comes next.
#
# ### A score that can be taken at its word
#
# A score of zero says: one half. Of the digits whose probability is given as one half, are half eights? AP and the area
# under ROC have no idea, as they read the order alone.
#
# Below all scores are divided by a **temperature** before they become probabilities. At two, every answer moves closer
# to one half. The black line on the right is the temperature; the dots on it are AP, the area under ROC, and two
# numbers that read the probabilities. **Which will move, and which way, when it gets hotter? When it gets colder?
# Decide. Then drag the black line up to five and down to a fifth.** Each dot draws its line as far as you go.

# %%
from fpnlib.notes.precision_recall.explorers import calibration

calibration()

# %% [markdown]
# The diagram on the left is a **reliability diagram**. Digits are put into bins by the probability $p$ that the model
# gave them. A dot is a bin: to the right what was said, upwards the share that are eights. On the diagonal one can take
# a score at its word, and the strokes show how far off it is. Around one half the bins show four and eight tenths. But
# most digits lie in the first bin, as the counts below show, so the dots in the middle stand for few and jump about.
#
# One number for it is the **Brier score**, the mean squared difference between the probability $p$ and what happened,
# $y$, which is one or zero. Put into $K$ bins, with means $\bar p_k$ and $\bar y_k$ over $n_k$ digits of $n$, it has
# three parts:
#
# $$\underbrace{\sum_k \frac{n_k}{n} (\bar p_k - \bar y_k)^2}_{\text{miscalibration}} \;-\;
# \underbrace{\sum_k \frac{n_k}{n} (\bar y_k - \bar y)^2}_{\text{resolution}} \;+\;
# \underbrace{\bar y (1 - \bar y)}_{\text{uncertainty}}$$
#
# That is exact if all digits in a bin get the same probability; the small correction for those that do not is last in
# the readout. Uncertainty belongs to the data. Resolution says how well the bins part the classes.
#
# Hotter, the classifier is less sure than it might be, and the Brier score rises by miscalibration. Colder, it is surer
# than it should be, and the Brier score rises too, but miscalibration stays low. Ten bins of equal width hardly see it:
# the cold pushes nearly all digits into the first and the last one, and a few blunders move a mean little. The loss
# turns up as resolution instead. So look at the score beside the bins.
#
# Two detectors with the same AP can differ widely here. In a list read from the top that does no harm. Where a number
# is handed on, to the formula above or to a person, it does.
#
# - **Add something to the log odds**, with the second slider or by dragging the orange line, the mean of all
#   probabilities. A temperature pulls this mean away from the share of eights; here you can bring it back. It is also
#   the cure for label shift: going from $r_0$ to $r$ negatives per positive, add $\ln (r_0 / r)$.
# - **Change the number of bins.** The mean gap, the *expected calibration error* of a positive, changes with them; the
#   Brier score knows no bins. So an expected calibration error needs its bins beside it.
#
# Your own scores go in here as well: `calibration(scores, targets)` takes log odds, of a network the logits.

# %% [markdown]
# ### One ranking, several averages
#
# People want one number for the curve, and there are at least four ways to take it.
#
# - **No interpolation**: the precision at each positive, averaged. This is the area under the steps.
# - **All points**: at each recall take the best precision from there on. The zigzag of the grey dots, one for each
#   rank, becomes a staircase that only falls. VOC, a public set of labelled photos, has scored this way since $2010$.
# - **11 points**: the same staircase, read at eleven recalls, as VOC did before.
# - **101 points**: the same, read at a hundred and one. This is COCO's rule, another such set.
#
# **Take the last item and move it up, rank by rank; where it passes another positive nothing changes. Then add
# positives that were never found.**

# %%
from fpnlib.notes.precision_recall.explorers import interpolations

interpolations()

# %% [markdown]
# Reading at few points can lie above or below the area; only the staircase is never lower than the zigzag.
#
# Positives that were never found count too: the curve ends before the right edge, and the rest of the axis counts as
# zero.

# %% [markdown]
# ### How sure is an AP?
#
# Other digits would have given another AP, and one cannot get others. The **bootstrap** treats the sample as if it were
# all digits in the world. It draws as many digits from it, with replacement, so that some come twice and some not at
# all, takes the AP of each draw, and gives the range in which the middle $95\,\%$ of the draws lie.
#
# Now take a rival: the same scores with a little noise added. **Guess: do the intervals of the two overlap? And can one
# still tell who is better?**

# %%
from fpnlib.claims import interval_of_resamples

rng = np.random.default_rng(0)
rival = scores + rng.normal(0, 0.5, len(scores))  # change the noise
draws = [rng.integers(len(scores), size=len(scores)) for _ in range(500)]
ours, theirs = (
    np.array([average_precision(one[draw], targets[draw]) for draw in draws])
    for one in (scores, rival)
)
print("95 % of the draws")
for name, values in {"ours": ours, "rival": theirs, "difference": ours - theirs}.items():
    low, high = interval_of_resamples(values)
    print(f"{name:10} {low:.3f} to {high:.3f}")

# %% [markdown]
# The two intervals overlap widely, and yet the difference is above zero nearly always. A draw with many hard digits is
# hard for both. Taken pair by pair, on the same draw, that cancels. So compare on the same examples, and give the
# interval of the difference. (The more alike the rivals, the more cancels; ours are very much alike.) What no such
# interval knows is that with another seed the model itself would have come out otherwise.

# %% [markdown]
# ### Boxes: right by how much?
#
# When is a detector's box right? Take the area that the box and a labelled box of the same class share, over the area
# that they cover together: the **intersection over union, IoU**. It is one where they are the same box, zero where they
# do not touch, and has to reach a threshold. Best score first, each box takes the free object that it overlaps most,
# and an object that is taken makes the next box on it a false positive. That is COCO's rule; in VOC's a box stands for
# the object that it overlaps most, taken or not.
#
# True negatives there are none: nobody can count the boxes that were rightly not drawn. So boxes have no false positive
# rate and no ROC curve, and detection lives by AP.
#
# The photo has nineteen labelled objects, and the "detector" gives back exactly those boxes, each moved by a few pixels
# in its own direction.
#
# **Move the boxes. Small and thin ones stop counting first. Then ask for a lower IoU and get most of them back.**

# %%
from fpnlib.notes.precision_recall.explorers import box_error

box_error()

# %% [markdown]
# AP is taken class by class and then averaged. The photo has four classes, one bottle and eight chairs among them. With
# the IoU back at $0.5$ move the boxes by thirteen pixels, then by fourteen: the bottle on the table in front is lost,
# and AP falls by a quarter. All eight chairs together cannot cost more. A mean over classes is called a *macro*
# average. A *micro* average throws the boxes of all classes into one ranking, and so counts every box alike.
#
# One thing is odd here: all boxes have the same score. COCO's tool then ranks them in the order in which they came, and
# so does the picture. (By the rule under *Why*, equal scores would be flagged together.) How much hangs on that order?
# The next cell shuffles it a hundred times.

# %%
from fpnlib.data import labelled_photo
from fpnlib.metrics import detection_average_precision
from fpnlib.notes.precision_recall.experiments.moved_boxes import moved

cafe = labelled_photo("cafe")
apart = cafe.labels[:, None] * 10_000.0  # no box can touch another class's
truth = {"boxes": cafe.boxes + apart, "labels": cafe.labels}
pooled = truth | {"labels": cafe.labels * 0}  # all in one ranking
for pixels in (13, 14):  # change these
    for name, wanted in {"macro": truth, "micro": pooled}.items():
        (boxes,) = moved([wanted | {"scores": cafe.labels * 0 + 1.0}], pixels)
        orders = [rng.permutation(len(cafe.labels)) for _ in range(100)]
        shuffled = [{key: value[order] for key, value in boxes.items()} for order in orders]
        aps = [
            detection_average_precision([one], [wanted], iou_thresholds=[0.5]).mean
            for one in shuffled
        ]
        print(f"{pixels} pixels: {name} {min(aps):.3f} to {max(aps):.3f}")

# %% [markdown]
# The bottle costs the macro average a quarter in any order. The micro average loses less by it than the mere order of
# ties can move it. Neither average is wrong: macro asks how well a class is found, micro how well a box is. COCO's AP
# is macro.
#
# Now a real detector: P-Net, the first and smallest of the three networks of the face detector MTCNN. The page holds
# small photos from *Labeled Faces in the Wild*, half of them faces. The labelled box of a face is the edge of its
# photo. Every solid box is P-Net's: green is right, thin orange is wrong. Dotted blue is a label that no box has found.
#
# **Raise the IoU from $0.5$. The boxes do not move, and yet AP collapses.**

# %%
from fpnlib.notes.precision_recall.explorers import detection

detection()

# %% [markdown]
# P-Net finds nearly every face. It was built to propose: its boxes are rough, and two later networks mend them. And the
# edge of a photo is not the edge of a face; P-Net draws a narrower box. COCO averages over ten thresholds.
#
# At an IoU of one half most wrong boxes lie on a face that is found already. *Non-maximum suppression* drops a box that
# overlaps a better one; what it leaves counts as wrong.
#
# Lower the score from which a box is kept by a little. Then raise it again: while you raise it, precision mostly grows
# and recall never rises. AP does not move, as here it reads the whole ranking. Many evaluations first cut the ranking,
# at a least score or at a hundred boxes a photo, and then AP depends on the cut.
#
# Papers print COCO's twelve numbers: AP, and the recall with so many boxes a picture, AR, averaged over ten thresholds,
# and both by size. Here they are for the café's own boxes, moved eight pixels right and eight down, as pycocotools has
# them. For your own two JSON files, the boxes and the labels, it is
# `coco_summary(*load_coco_results("results.json", "instances.json"))`, the second function from `fpnlib.data.coco`.

# %%
from fpnlib.metrics import coco_summary

areas = cafe.masks.sum((1, 2))
labelled = {"boxes": cafe.boxes, "labels": cafe.labels, "area": areas}
found = {"boxes": cafe.boxes + 8, "labels": cafe.labels, "scores": cafe.labels * 0 + 1.0}
for name, value in coco_summary([found], [labelled]).items():
    print(f"{name:6}{value:.3f}")

# %% [markdown]
# Objects are small below $32^2$ pixels and large from $96^2$ on. Eight pixels spoil the small and spare the large. AR1
# keeps one box per class and picture, so it is low where a class has many objects.
#
# Your own detector works in the explorer too: `detection(predictions, targets, image)` takes, for each image, a mapping
# such as `{"boxes": [[x0, y0, x1, y1]], "scores": [s], "labels": [k]}`, or the paths of a COCO results file and its
# annotations.

# %% [markdown]
# ## Check
#
# A number is only useful if everyone computes it in the same way. Here the same scores go through this library and
# through scikit-learn. The tests do the same with pycocotools on thousands of random detections, with ties, crowds and
# empty classes.

# %%
import sklearn.calibration
import sklearn.metrics

from fpnlib.metrics import brier_score, calibration_curve, precision_recall_curve, roc_curve

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
    average_precision(scores, targets), average_precision_score(targets, scores)
)
print("average precision: equal")

said = 1 / (1 + np.exp(-scores))
bins = calibration_curve(said, targets, bins=10)
true, mean = sklearn.calibration.calibration_curve(targets, said, n_bins=10)
np.testing.assert_allclose(bins.observed, true)
np.testing.assert_allclose(bins.predicted, mean)
np.testing.assert_allclose(
    brier_score(said, targets), sklearn.metrics.brier_score_loss(targets, said)
)
print("calibration curve and Brier score: equal")

# %% [markdown]
# ## Measure
#
# Two sentences of this note are **claims**: each was written down with a test, a bound and a control, which shows what
# the test can see, before the number was measured that decides. Its **verdict** is that it holds, fails, depends or is
# not shown. Two more are checks of what cannot be otherwise. *Effect* is the number that stands for a claim, *n* counts
# what is behind it, and intervals come from digits or photos drawn again, or from seeds. Neither claim is wholly free
# of hindsight, as the last paragraph tells.

# %%
from fpnlib.claims import verdicts

verdicts("PR")

# %% [markdown]
# **The trade, a check.** Over all <span title="PR-1 thresholds">1647</span> thresholds of the digit classifier recall
# never rises with the threshold. Precision mostly does, at <span title="PR-1 precision_rises">1476</span> of the steps,
# but it falls at <span title="PR-1 precision_falls">109</span>. From a score of zero on, the falls win. So "higher
# threshold, higher precision" is a tendency and no law.
#
# **Prevalence, a check under label shift.** Take the threshold that finds <span title="PR-2 recall">90 %</span> of the
# eights. With as many negatives as positives its precision is <span title="PR-2 precision_1">0.95</span>; with a
# hundred for each it is <span title="PR-2 precision_100">0.15</span>, as the formula says. The area under ROC stays,
# and under label shift it could do nothing else. Let the added negatives all be the digit one, which is most often
# taken for an eight, and the area falls by <span title="PR-2 roc_auc_lost_to_ones">0.031</span>.
#
# **Four averages: it depends which two.** When are two APs different numbers? We took three tenths of a point, $0.003$,
# as the least gap that matters: K. He reports that two trainings of one detector can differ by so much on COCO. It is a
# convention. On our digits only eleven points pass it: they read <span title="PR-3 gap_voc11">0.028</span> less than
# all points, between <span title="PR-3 gap_voc11_low">0.017</span> and <span title="PR-3 gap_voc11_high">0.038</span>.
# A hundred and one points are too near the bound to tell, and no interpolation stays below it, since a long ranking has
# a fine zigzag. On short rankings of ten eights, too, only eleven points pass.
#
# **IoU.** P-Net's AP is <span title="PR-4 ap_50">0.84</span> at an IoU of $0.5$ and
# <span title="PR-4 ap_75">0.08</span> at $0.75$: a fall of <span title="PR-4 fall">0.76</span>, between
# <span title="PR-4 fall_low">0.60</span> and <span title="PR-4 fall_high">0.88</span>. Not one pixel of its answer
# changed.
#
# How much of that is the label's fault? For each face we took the average offset between P-Net's box and the label on
# all the *other* faces, as a share of the label's sides, and moved this face's label by it. AP is then
# <span title="PR-4 ap_50_labels_moved">0.97</span> at $0.5$ and <span title="PR-4 ap_75_labels_moved">0.67</span> at
# $0.75$. A fall of <span title="PR-4 fall_labels_moved">0.30</span> is left, between
# <span title="PR-4 fall_labels_moved_low">0.13</span> and <span title="PR-4 fall_labels_moved_high">0.46</span>, and
# that is rough boxes. The larger part came from one constant offset: P-Net and the labels disagree about where a face
# ends. Know how your labels were drawn before you ask for a strict IoU.
#
# *What changed.* The test of the four averages is our second; in the first one near-tie decided for all. And P-Net was
# chosen after a trial had shown its curve, so read the last verdict as true of this detector and this page.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says. The checks use random data, so a
# formula that is only nearly right is found out.
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
# **Fourth, a prediction.** A detector finds all $n$ objects, but each of them twice: right below each right box stands
# a second one on the same object. Half of its boxes are wrong. Is its AP one half, more, or less, and what becomes of
# it as $n$ grows? Decide first. Then write `f(n)` that returns the AP, without interpolation.

# %%
check("found twice", ...)


# %% [markdown]
# **Fifth, a bug to fix.** The function below is right as long as no two scores are equal. Under *Why* equal scores are
# flagged together; here they are not. Two libraries shipped this very mistake; both are named under References. Find
# out what goes wrong, and mend it.


# %%
def ap_of(scores, targets):
    hits = targets[np.argsort(-scores, kind="stable")]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return precision[hits].mean()


check("tied scores", ap_of)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`. Then `hint("tied scores")` gives a first hint,
# `hint("tied scores", 2)` the next, and `print(solution("tied scores"))` one right answer.

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
# | line of equal cost | 等代价线 | points of the ROC plane that lose the same; its slope is r / c |
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
#   Classifiers on Imbalanced Datasets*, PLOS ONE 2015; and against it P. Flach and M. Kull, *Precision-Recall-Gain
#   Curves*, NIPS 2015.
# - D. Bolya et al., *TIDE: A General Toolbox for Identifying Object Detection Errors*, ECCV 2020: which kind of error
#   costs how much AP.
# - F. Provost and T. Fawcett, *Robust Classification for Imprecise Environments*, Machine Learning 2001: lines of equal
#   cost and the hull of the ROC curve.
# - G. W. Brier, *Verification of Forecasts Expressed in Terms of Probability*, Monthly Weather Review 1950, and A. H.
#   Murphy, *A New Vector Partition of the Probability Score*, Journal of Applied Meteorology 1973: the score, its
#   parts.
# - C. Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017: networks that are too sure, and one
#   temperature as the cure.
# - Order-dependent AP where scores are equal: [vlfeat, issue 51](https://github.com/vlfeat/vlfeat/issues/51), and
#   [burn, issue 5683](https://github.com/tracel-ai/burn/issues/5683), since mended.
# - K. He in facebookresearch/moco, issue 39 on GitHub: a gap of 0.3 points of AP is within random variation on COCO.
# - K. Zhang et al., *Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks*, 2016: P-Net.
# - G. B. Huang et al., *Labeled Faces in the Wild*, 2007: the small photos.
# - *Another good page:* MLU-Explain, *Precision & Recall*. There a threshold is dragged through points that one can
#   count with the eye, and each lands in its corner of the table. Ours are the scores of a real classifier, too many to
#   follow one by one, so here we draw histograms.
