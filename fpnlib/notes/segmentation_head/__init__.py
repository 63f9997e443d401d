"""Note 03: the segmentation head.

- `explorers`: `head_stability`, `inside_the_head`.
- `experiments`: SH-1 in `last_layer`, its five heads in `heads`, single nets on their way in `snapshots`.
- `exercises`: head parameters, jitter.
"""
