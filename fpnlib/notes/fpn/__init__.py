"""Note 04: the feature pyramid.

- `explorers`: `pyramid`, `top_down_step`, `level_assignment`, `architecture`, `detections`, `cue_distance`; beside them
  what several of them show: photos with their maps in `photo_pyramid`, maps in `colours`, the `diagram`.
- `experiments`: FP-1 and FP-2 in `recipe` with torchvision's answers in `recorded`, FP-3 in `cue`, FP-4 in `smoothing`
  with `levels` and `aliasing`, FP-6 in `ablation`, FP-7 in `tuned`; besides, what explorers measure and train:
  `judged`, `spectrum`, `lite_pyramid`.
- `exercises`: see `EXERCISES`.
"""
