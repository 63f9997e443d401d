"""The trials that chose the best rates: `python -m fpnlib.notes.warmup.experiments.trials` prints what `BEST` holds."""

import itertools

from fpnlib.notes.warmup.experiments.nets import digits
from fpnlib.notes.warmup.experiments.rates import LONGEST, RATES
from fpnlib.notes.warmup.experiments.runs import grid, train_runs

TRIALS = range(1000, 1016)


def best_rates() -> dict[str, tuple[int, ...]]:
    """Return what `BEST` holds, trained anew."""
    found = {}
    for (optimizer, rates), batch_norm in itertools.product(RATES.items(), (False, True)):
        result = train_runs(digits(), grid(rates, (0, LONGEST)), TRIALS, optimizer=optimizer, batch_norm=batch_norm)
        means = result.final.mean(1).view(len(rates), 2)
        found[f"{optimizer}{'_bn' * batch_norm}"] = tuple(means.argmin(0).tolist())
    return found


if __name__ == "__main__":
    print(best_rates())
