"""Note 02, the padding pitfall.

- `explorers`: `geometry`, an RoI on a strip of pixels; `roi_on_photo`, on a photo and its feature map;
  `face_at_border`, a face that leaves the photo; `receptive_fields`, layer by layer;
  `padding_in`, how far a network's own padding reaches.
- `experiments`: PD-1 and PD-2 (`projected_rois`) by closed form and gradients, PD-3, PD-4 and PD-7 (`faces`) with a
  real face detector, PD-5 (`tiny_nets`) and PD-6 (`roi_nets`) with nets trained from scratch, PD-8 and PD-9
  (`inside`) on padding inside a trained net, and with a photo's far side.
- `exercises`: where a pixel lands on the map, the least padding, the receptive field of a chain of layers; how many
  units padding reaches (a prediction), and RoIAlign's missing half cell (a bug).
"""
