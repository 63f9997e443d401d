"""Note 01, precision and recall.

- `explorers`: `precision_recall`, a threshold over scores; `prevalence`, rarer positives; `operating_point`, what
  errors cost; `calibration`, whether a score can be taken at its word; `interpolations`, one ranking and four
  averages; `detection` and `box_error`, when a box counts.
- `experiments`: PR-1 (`thresholds`) and PR-2 (`class_ratio`) on a classifier of digits, PR-3 (`averages`) on its
  ranking, PR-4 (`detector`) on a contact sheet of faces; `costs` and `temperature` are arithmetic.
- `exercises`: precision and recall at a threshold, average precision, precision of rarer positives, objects found
  twice, tied scores.
"""
