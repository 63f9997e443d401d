"""What note 09 shows: a calendar of the first paper."""

from fpnlib.explore import explorer
from fpnlib.notes.research.explorers.research_planner import PlannerExplorer


@explorer
def research_planner() -> PlannerExplorer:
    """Say how long the three parts of a first paper take, and see where they land in the year."""
    return PlannerExplorer()


EXPLORERS = (research_planner,)
