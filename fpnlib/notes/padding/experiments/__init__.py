"""What note 02 says, and the test of each saying."""

from fpnlib.notes.padding.experiments import faces, inside, projected_rois, roi_nets, tiny_nets

CLAIMS = (*projected_rois.CLAIMS, *faces.CLAIMS, *tiny_nets.CLAIMS, *roi_nets.CLAIMS, *inside.CLAIMS)
