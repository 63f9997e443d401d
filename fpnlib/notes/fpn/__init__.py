"""Note 04: the feature pyramid.

- `explorers`: `pyramid`, `top_down_step`, `level_assignment`, `architecture`, `detections`, `cue_distance`,
  `after_fpn` with its graph and parts; beside them what several of them show: maps in `colours`, all of a photo's on a
  `sheet`, the `diagram`.
- `experiments`: FP-1 and FP-2 in `recipe` with torchvision's answers in `recorded`, FP-3 in `cue`, FP-4 in `smoothing`
  with `levels` and `aliasing`, FP-6 in `ablation`, FP-7 in `tuned`; besides, what explorers measure and train:
  `photo_pyramid` on `backbones`, its `principal` components, `reading` it and boxes `assigned` to its levels; `step`
  and `spectrum`, `judged`, `lite_pyramid`, FPN's `successors`.
- `exercises`: see `EXERCISES`.
"""
