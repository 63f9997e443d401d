# %% [markdown]
# # 09 · On doing research
#
# **In one sentence:** a learner's page, the *source* from which this book grew, advises a student with a good base to
# plan three or four months for each of three parts of a first paper, which makes about a year, and says that an early
# paper does not yet prove a strong researcher.
#
# *Five minutes. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders. They
# work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# **First a guess.** You begin in January, and want to hand in at a venue whose deadline comes once a year, at the end
# of November. By your plan you have half a month to spare. Then each of the three parts takes half a month longer. How
# many months will you wait for the deadline?
#
# Each row below is the same plan with a different first month. Its three bars are the source's three parts:
#
# - *learn to code and read*: the basics of code, and how to read a paper;
# - *find a method and draft*: a technical route (技术路线), that is a method to try, and a first draft;
# - *make it work and write*: the results, and the paper itself.
#
# The frame marks your start, the triangles the yearly deadline. **Start in January. Then lengthen each part by half a
# month, one after the other.**

# %%
from fpnlib.notes.research.explorers import research_planner

research_planner()

# %% [markdown]
# Eleven months. The first delay uses up all the time you had, the second makes you miss the deadline, and the next one
# is a year away. This hangs on the one yearly deadline, which is our choice and not the source's: many fields have a
# deadline every few months, and journals have none. Bars that follow one another are our simplification, too. Most
# people read, program and write at the same time.

# %% [markdown]
# ## Why
#
# Add the three parts to the first month and you have the end. A yearly deadline comes back every twelve months, so the
# time that is left is a remainder. Change the numbers.

# %%
from fpnlib.notes.research.experiments.calendar import Plan

start, parts, deadline = 0, (3.5, 3.5, 3.5), 10  # January is 0, November 10
end = start + sum(parts)
print("months:", sum(parts), " left:", (deadline + 1 - end) % 12)
assert (deadline + 1 - end) % 12 == Plan(start, parts).slack(deadline)

# %% [markdown]
# ## Check
#
# Every plan of three to four months a part, begun in each month, against Python's own calendar.

# %%
from datetime import date, timedelta
from itertools import product

from fpnlib.notes.research.experiments.calendar import MONTHS, month_at


def last_day(months):
    """The day on which something ends that takes so many months from the first of January."""
    years, month = divmod(int(months), 12)
    return date(2027 + years, month + 1, 15 if months % 1 else 1) - timedelta(days=1)


plans = [Plan(start, parts) for start in range(12) for parts in product((3, 3.5, 4), repeat=3)]
agree = sum(month_at(plan.ends[-1]) == MONTHS[last_day(plan.ends[-1]).month - 1] for plan in plans)
print(f"{agree} of {len(plans)} plans end in the month that the calendar says")

# %% [markdown]
# ## Measure
#
# The book's table of tested sayings has one row from this note. It is marked *checked*, since arithmetic cannot fail:
# three times three or four is nine to twelve, for each of the $27$ plans in steps of half a month.

# %%
from fpnlib.claims import verdicts

verdicts("RS")

# %% [markdown]
# Whether a first paper really takes a year is not measured: we have no data on papers. The source speaks from
# experience, of students with a good base (基础), and says that luck (运气) plays a part. And the plan ends where the
# paper is handed in. Reviews, and a second try elsewhere, come on top.
#
# One more saying of the source no notebook can test: even a first author's paper at a top venue does not mean that
# somebody is a strong researcher (即使发表了一作顶会并不意味着研究能力就很强了). We draw from it what the source does
# not say: there is no need to worry when others publish first.

# %% [markdown]
# **What this book can add** are habits that it learnt the hard way, most of them in
# [note 08](08-segmentation-difficulties.ipynb). Write down what would make a saying hold before you measure it. Keep a
# control, a case whose effect you know: twice ours showed too little, so the measurement was not fit to find anything.
# Ask who made your labels: three verdicts fell because a border was missing from ours. And report what failed beside
# what held.

# %% [markdown]
# ## Remember
#
# - The source's advice: three parts of three or four months each, about a year. Put in your own lengths.
# - Our arithmetic: with a single yearly deadline, half a month too late costs almost a year.
# - An early paper does not prove a strong researcher; that is the source's view, and untested.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# A project takes `total` months, begins on the first day of a month and must be done by the last day of month
# `deadline`, 0 for January. Write `f(total, deadline)` that counts back from there and returns the latest month to
# begin in, 0 for January of whichever year. `total` may hold half a month, and be more than a year.

# %%
from fpnlib.exercises import check

check("latest start", ...)

# %% [markdown]
# Stuck? `from fpnlib.exercises import hint, solution`: `hint("latest start")` gives a first hint,
# `hint("latest start", 2)` the next, and `print(solution("latest start"))` shows one right answer.

# %% [markdown]
# ## Terms
#
# | English | 中文 | in one line |
# |---|---|---|
# | first author | 第一作者 | who did most of the work, named first |
# | deadline | 截稿日期 | the last day on which a venue takes papers |
# | luck | 运气 | what helps or hinders and cannot be planned |
#
# ## References
#
# - The source: "Deep Into The Space", one page of a learner's notes, in Chinese, the page from which this book grew. We
#   know no more of it than its title and its text.
# - *Other good pages* on what is left out here: R. Hamming, *You and Your Research*, 1986, on which problems to choose
#   and how much of luck is preparation; S. Keshav, *How to Read a Paper*, 2007; J. Schulman, *An Opinionated Guide to
#   ML Research*, 2020.
