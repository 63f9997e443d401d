"""What note 04 says, and the test of each saying."""

from fpnlib.notes.fpn.experiments import ablation, cue, recipe, smoothing, tuned

CLAIMS = (*recipe.CLAIMS, *cue.CLAIMS, *smoothing.CLAIMS, *ablation.CLAIMS, *tuned.CLAIMS)
