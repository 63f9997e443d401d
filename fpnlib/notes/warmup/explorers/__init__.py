"""What note 05 shows: schedules and their kin, the map of rates, sharpness, jumps, a range test, live training."""

from fpnlib.explore import explorer
from fpnlib.notes.warmup.explorers.catapult import CatapultExplorer
from fpnlib.notes.warmup.explorers.jump_to_full_rate import JumpExplorer
from fpnlib.notes.warmup.explorers.live_training import LiveExplorer
from fpnlib.notes.warmup.explorers.range_test import RangeExplorer
from fpnlib.notes.warmup.explorers.rate_map import RateMapExplorer
from fpnlib.notes.warmup.explorers.schedule_designer import DesignerExplorer
from fpnlib.notes.warmup.explorers.schedule_kin import KinExplorer
from fpnlib.notes.warmup.explorers.sharpness import SharpnessExplorer


@explorer
def schedule_designer() -> DesignerExplorer:
    """Put a schedule together from warm-up and decay: its curve, its area, and the code that makes it."""
    return DesignerExplorer()


@explorer
def rate_map() -> RateMapExplorer:
    """Look through claim WU-2's map of learning rates and warm-ups, and at every run of a cell."""
    return RateMapExplorer()


@explorer
def sharpness() -> SharpnessExplorer:
    """Follow the largest eigenvalue of the Hessian along training, against the limit the learning rate sets."""
    return SharpnessExplorer()


@explorer
def jump_to_full_rate() -> JumpExplorer:
    """Jump to the full learning rate at a step, and see which nets survive."""
    return JumpExplorer()


@explorer
def catapult() -> CatapultExplorer:
    """Descend on a parabola and in a valley, and see what a step beyond the speed limit does in each."""
    return CatapultExplorer()


@explorer
def live_training() -> LiveExplorer:
    """Train sixteen nets here, with warm-up and without, and count the ReLUs that fall silent."""
    return LiveExplorer()


@explorer
def schedule_kin() -> KinExplorer:
    """Compare six schedules: their shapes, how many nets each loses at each rate, and every run."""
    return KinExplorer()


@explorer
def range_test() -> RangeExplorer:
    """Let the rate climb until the loss turns, and see where it meets its limit."""
    return RangeExplorer()


EXPLORERS = (
    schedule_designer,
    rate_map,
    schedule_kin,
    sharpness,
    jump_to_full_rate,
    range_test,
    catapult,
    live_training,
)
