# %% [markdown]
# # 09 · On doing research
#
# **In one sentence:** the source, one page of a learner's notes, gives a student with a good base three or four months
# for each of three parts of a first paper, and asks the reader to keep calm about what an early paper says of them.
#
# *Ten minutes. You need no earlier note.* Run every cell first (menu Run → Run All Cells), then move the sliders. They
# work from the keyboard too: Tab to a slider, then the arrow keys.

# %% [markdown]
# ## Look
#
# Each row is the same plan, begun in another month. The three bars are its parts. The frame marks your start, the
# triangles a deadline that comes every year.
#
# **A guess first:** if you begin in January and all goes as the source says, how many months are left before a deadline
# in November? **Then choose the month you begin in and the deadline you have in mind, and make the middle part
# longer.**

# %%
from fpnlib.notes.research.explorers import research_planner

research_planner()

# %% [markdown]
# Two things to try.
#
# - Begin in January, and lengthen the middle part, half a month at a time. The months to the deadline in November
#   shrink to none. Half a month later you have missed it, and wait almost a year for the next one.
# - Set the three lengths back and try each start. Which one leaves you a month and a half to spare?

# %% [markdown]
# ## Why
#
# The arithmetic is all there is. A plan ends where its parts add up, and a deadline that comes once a year makes the
# rest a remainder on division by twelve.

# %%
from fpnlib.explore import source
from fpnlib.notes.research.experiments.calendar import Plan

source(Plan)

# %% [markdown]
# ## Check
#
# Does the sum of months agree with the calendar that Python carries? Begin on the first day of each month, go on by
# whole months, and compare the month of the last day.

# %%
from datetime import date, timedelta

from fpnlib.notes.research.experiments.calendar import MONTHS, month_at


def last_day(start, months):
    """The last day of a project of whole months that begins with month `start`, 0 for January."""
    years, month = divmod(start + months, 12)
    return date(2027 + years, month + 1, 1) - timedelta(days=1)


agree = [
    month_at(Plan(start, (a, b, c)).ends[-1]) == MONTHS[last_day(start, a + b + c).month - 1]
    for start in range(12)
    for a in (3, 4)
    for b in (3, 4)
    for c in (3, 4)
]
print(f"{sum(agree)} of {len(agree)} plans end in the month that the calendar says")

# %% [markdown]
# ## Measure
#
# The parts are: learn to code and to read papers; find a technical route and write a first draft; make it work and
# write it up. Three parts of three or four months make nine to twelve, about a year. That is arithmetic. It cannot
# fail, says nothing about papers, and stands in the ledger as a check, not as a claim. An earlier version of this note
# counted it as one that holds.

# %%
from fpnlib.claims import verdicts

verdicts("RS")

# %% [markdown]
# **What is not measured.** Whether a first paper really takes a year. The source speaks from experience and limits what
# it says in two ways that are easily lost: it speaks of students with a good base (基础), and it names luck (运气) as a
# part of the outcome. This repository holds no data on how long papers take. Read the three lengths as one person's
# advice and put in your own.
#
# **RS-2, which cannot be measured here.** The source also says that even a paper as first author at a top venue does
# not mean that somebody's ability for research is strong (即使发表了一作顶会并不意味着研究能力就很强了). So keep calm
# when others publish first. That is a view on people, not on numbers. We know of no test for it that a notebook could
# run, so the ledger, the book's table of measured claims, has no entry for it.

# %% [markdown]
# ## Remember
#
# - Three parts of three or four months are about a year, and half a month too much can cost a whole one.
# - That a paper takes so long is one person's advice. Put in your own lengths.
# - An early paper says little of what somebody can do. Keep calm.

# %% [markdown]
# ## Try
#
# Replace the three dots by a function, run the cell, and read what the check says.
#
# Write `f(total, deadline)` that returns the latest month, 0 for January, to begin a project of `total` months that
# must be done by the last day of month `deadline`. Projects begin on the first day of a month. A project may take half
# months, and more than a year.

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
# | luck | 运气 | what no plan contains |
#
# ## References
#
# - The source: "Deep Into The Space", one page of a learner's notes, in Chinese, the page from which this book grew. We
#   know no more of it than its title and its text. Nothing else was read, so nothing else is cited.
