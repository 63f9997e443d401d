"""What note 09 says, and the test of each saying."""

from fpnlib.notes.research.experiments import first_paper

CLAIMS = first_paper.CLAIMS
