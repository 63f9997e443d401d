"""Note 08: what is hard in semantic segmentation.

- `explorers`: `thin_or_region`, `price_of_a_line`, `dataset_or_image`, `three_tasks`, `box_limited_mask`,
  `stride_ceiling`, `crf`, `superpixels`, `weak_labels`, `shared_fields`, `drawn_labels`.
- `experiments`: SD-1 to SD-14, on five labelled photos and on nets that learn on collages.
- `exercises`: image-mIoU, panoptic quality, one step of mean field, a line's price, void that counts.
"""
