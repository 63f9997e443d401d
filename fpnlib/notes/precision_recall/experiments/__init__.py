"""What note 01 says, and the test of each saying."""

from fpnlib.notes.precision_recall.experiments import averages, class_ratio, detector, thresholds

CLAIMS = (*thresholds.CLAIMS, *class_ratio.CLAIMS, *averages.CLAIMS, *detector.CLAIMS)
