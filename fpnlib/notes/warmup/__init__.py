"""Note 05: learning-rate warm-up.

- `explorers`: `schedule_designer`, `rate_map`, `schedule_kin`, `sharpness`, `jump_to_full_rate`, `range_test`,
  `catapult`, `live_training`.
- `experiments`: claims WU-1 (`factor`), WU-2, WU-3 and WU-6 (`rates`), WU-4 and WU-5 (`why`), WU-7 and WU-8
  (`limits`), WU-9 (`kin`), with the nets they train (`nets`, `runs`), how curved a loss is (`curvature`), torch's
  decays (`decays`), how many ReLUs fall silent (`silence`) and the curves that explorers show (`recorded`,
  `recorded_kin`).
- `exercises`: a warm-up factor, a scheduler that resumes, the largest rate; what warm-up costs (a
  prediction), and a warm-up that begins anew in each epoch (a bug).
"""
