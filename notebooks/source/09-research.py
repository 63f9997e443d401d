# %% [markdown]
# # 09 · Planning a paper, measuring a claim
#
# **In one sentence:** the page from which this book grew says that a first paper takes nine months to a year; here is
# what a deadline makes of such a plan, and what this book learnt about measuring, mostly by doing it wrong.
#
# *Ten minutes. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders. They
# work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# This book grew from one learner's page of notes in Chinese; we call it *the source*. About research it says that a
# student with a solid grounding (基础) needs three or four months, 需要3-4个月, for each of three parts of a first
# paper.
#
# - *Learn to code and read*: the basics of code, and how to read a paper.
# - *Find a method and draft*: a technical route (技术路线), that is a method to try, and a first draft.
# - *Make it work and write*: the results, and the paper itself.
#
# Suppose that your field has one deadline a year, at the end of November, and that you begin in January. Each row below
# is the same plan with another first month, the frame marks yours, and the triangles are the deadlines. You have half a
# month to spare.
#
# Here is the sum behind the picture. November is month number 10 if January is 0, and its last day is where month 11
# begins, so one is added. The remainder takes you to the next deadline. The picture starts from your numbers.

# %%
from fpnlib.notes.research.experiments.calendar import Plan

start, parts, deadline, times = 0, (3.5, 3.5, 3.5), 10, 1  # change this: the parts
end = start + sum(parts)
wait = (deadline + 1 - end) % (12 // times)
print(f"{sum(parts)} months, then {wait} to wait")
assert wait == Plan(start, parts).slack(deadline, times)

# %% [markdown]
# **First a guess.** Now each part takes half a month longer. How many months will you wait for a deadline? **Then
# lengthen the parts, one after the other.**

# %%
from fpnlib.notes.research.explorers import research_planner

research_planner(reading=parts[0], method=parts[1], writing=parts[2])

# %% [markdown]
# Eleven months. The first delay uses up the half month you had to spare, the second makes you miss the deadline, and
# the third brings you half a month nearer to the next.
#
# **Now give the year a second deadline, a third and a fourth.** The wait shrinks to five months, three, two. So
# it is the single deadline that makes the wait so long, and not research. Computer vision has several large conferences
# a year, and journals that take papers on any day.
#
# Three times three or four months is nine to twelve; on the front page this is RS-1, a check and no claim. Whether a
# first paper really takes so long is not measured here, as we have no data on papers. The author speaks from
# experience, and says that luck (运气) plays a part. And the plan ends on the day you submit: reviews, and perhaps a
# second try elsewhere, come after it.
#
# The source says one more thing, which no notebook can test: even a first-author paper at a top conference does not
# make someone a strong researcher, 即使发表了一作顶会并不意味着研究能力就很强了. So do not be discouraged if a
# classmate has a paper before you.

# %% [markdown]
# ## Measure
#
# What fills those months is finding out whether something is true. This book does so with small sentences, such as *a
# thin line of wrong pixels costs nothing*. Here is how that went, with the mistakes left in.
#
# **Look at your labels before you blame your net.** In the photo of a café people, chairs and bottles are labelled
# pixel by pixel. Its data set, VOC, also draws a border of five pixels around each of them, where nothing counts. In
# our copy that border had silently become background, and three of our verdicts rested on it. No test failed. An expert
# who read [note 08](08-segmentation-difficulties.ipynb) noticed. We could have seen it ourselves, since between two
# chairs that touch there lay four or five pixels of "background", again and again. How much can hang on this? A wrong
# line one pixel wide around everything costs the café <span title="SD-7 line_1_void_0_cafe">0.098</span> of its score
# if every pixel counts. Behind the border it costs nothing.
#
# **Keep a control, a case whose effect you know.** Before asking whether finer maps help a net, we asked whether our
# test sees a net that must be worse, since it learnt from few scenes. It hardly did: with $64$ scenes in place of $512$
# the nets lost $0.02$, give or take almost as much. Had we found "no effect" of anything then, it would have meant
# little. With $16$ scenes the loss was <span title="SD-13 few_scenes_cost">0.17</span>, and seen beyond doubt.
#
# **Write down what would make a sentence true before you measure it.** Each claim of this book has a bound, stored
# before its result. **And we broke our own rule more than once; each note says where.** Three of the cases: the
# control above was made stronger *after* it had failed. A
# comparison in [note 07](07-add-vs-concat.ipynb) got twice the seeds after the first half had been looked at. In
# [note 02](02-padding-pitfall.ipynb) four tests were split into cases once we had seen that the cases differ. Each
# change was for the better, we think; but so thinks everybody who changes a test. What one can do is to change as
# little as possible, measure anew, and say so where the result stands.
#
# **Try to break the explanation you like.** Where a photo's border cuts a face, a mirror image beside the border
# helps a face detector ([note 02](02-padding-pitfall.ipynb)), and it was plain why: the mirror completes the face. Then
# we turned the mirror image upside down, and it helped as much, as far as we can measure. So that is not why. What is,
# we do not know.

# %% [markdown]
# ## Remember
#
# - Three parts of three or four months each, says the source, for a student with a solid grounding and some luck.
# - With a single deadline a year a month too late can cost eleven; with four deadlines it costs two.
# - Before you measure, look at the labels, keep a control, and write down what would count. If you change your mind
#   after the numbers, say so.

# %% [markdown]
# ## Try
#
# Replace the three dots, run the cell, and read what the check says.
#
# **Count back.** A project takes `total` months, begins on the first day of a month and must be done by the last day
# of month `deadline`, 0 for January. Write `f(total, deadline)` that counts back from there and returns the latest
# month to begin in, 0 for January of whichever year. `total` may hold half a month, and be more than a year.

# %%
from fpnlib.exercises import check

check("latest start", ...)

# %% [markdown]
# **Mend a verdict.** Many papers judge like this function. It has two faults. An interval that holds the bound says
# nothing, and yet it says *fails*. And it has `control`, whether the instrument has seen an effect that is known to be
# there, and does not use it. Let it return $0$ where nothing is shown.

# %%
from fpnlib.exercises import check


def judge(low, high, bound, control):
    if low > bound:
        return 1  # holds
    return -1  # fails


check("verdict", judge)

# %% [markdown]
# **Predict, then count.** Suppose that there is no effect at all. You test eight seeds. If their $95$ % interval
# holds zero, you test eight more and look at all sixteen, as we did in note 07. One look misleads you in five cases of
# a hundred. And these two? Say a number. Then write `f(values, first)`: each row of `values` is an experiment, and the
# two looks are at its first `first` values and at all. Return the share of rows in which one of Student's intervals, or
# both, miss zero. At last call it with `numpy.random.default_rng().normal(size=(10000, 16))` and $8$.

# %%
check("two looks", ...)

# %% [markdown]
# The guess: eight or nine in a hundred. So whoever means to look twice must ask for a wider interval at each look.
#
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("two looks")` gives a first hint, `hint("two looks", 2)`
# the next, and `print(solution("verdict"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | first author | 第一作者 | named first; in computer vision, who did most of the work |
# | technical route | 技术路线 | the method one means to try, step by step |
# | deadline | 截稿日期 | the last day on which a venue takes papers |
# | luck | 运气 | what helps or hinders and cannot be planned |
#
# ## References
#
# - The source: "Deep Into The Space", one page of a learner's notes, in Chinese, the page from which this book grew. We
#   know no more of it than its title and its text.
# - *Other good pages* on what this note leaves out: R. Hamming, *You and Your Research*, 1986, on which problems to
#   choose and how much of luck is preparation; S. Keshav, *How to Read a Paper*, 2007; J. Schulman, *An Opinionated
#   Guide to ML Research*, 2020.
