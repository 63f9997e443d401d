"""Note 09, planning a paper, measuring a claim.

- `explorers`: `research_planner`, a first paper on the calendar.
- `experiments`: RS-1, that three parts of three or four months make about a year.
- `exercises`: the latest month to begin in.
"""
