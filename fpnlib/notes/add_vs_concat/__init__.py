"""Note 07, on adding and concatenating.

- `explorers`: `add_is_tied_concat`, the two as convolutions; `fusion_costs`; `alignment`, where which wins;
  `edge_fusion`, HED's five maps; `gradient_highway` and `lstm_memory`, how far a gradient travels; `small_pyramids`;
  `fusion_kin` with its table and pictures, add among its kin.
- `experiments`: AC-1 and AC-3 in `identities`; AC-2, AC-5 and AC-6 in `counts`; AC-4 and AC-12 in `alignment`; AC-7 in
  `edges`; AC-8 and AC-9 in `gradients`; AC-10 and AC-11 in `skips`. `pyramids` has the nets that are counted and
  trained, `kin` what `fusion_kin` shows, `digits` the digits that `alignment` and `gradients` take.
- `exercises`: a tied kernel, the weights of a fusion, and when to add; how residual sums grow (a prediction), and
  a skip that is overwritten (a bug).
"""
