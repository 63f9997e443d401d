"""The command line of the ledger: print it, measure again, judge again."""

import argparse
import functools
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from fpnlib.claims import show, store
from fpnlib.claims.claim import Claim
from fpnlib.training.progress import progress_bar
from fpnlib.training.sweep import BACKENDS, cluster
from fpnlib.validation import require


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ledger or rebuild it; return 0, 2 for bad arguments, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m fpnlib.claims", description="The ledger of measured claims.")
    parser.add_argument("ids", nargs="*", help="claims such as PR-1; all by default")
    parser.add_argument("--recompute", action="store_true", help="measure and store; an interrupted claim goes on")
    parser.add_argument("--missing", action="store_true", help="with --recompute: only claims without a result")
    parser.add_argument(
        "--second",
        action="store_true",
        help="with --recompute: store beside the first, as measured on "
        "another instruction set; only claims with chance",
    )
    parser.add_argument("--judge", action="store_true", help="judge stored measurements by the criteria as they stand")
    parser.add_argument("--seeds", type=int, metavar="N", help="with --recompute: seeds 0 … N−1 for claims with chance")
    parser.add_argument("--backend", choices=BACKENDS, default="sequential")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, for --backend dask")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        require(options.seeds is None or options.seeds >= 2, "seeds", options.seeds, "2 or more")
        claims = store.named(options.ids)
        if options.recompute:  # not by way of the ledger, so that a damaged result can be measured anew
            chosen = [claim for claim in claims if claim.seeds or not options.second]
            chosen = [claim for claim in chosen if not (options.missing and store.is_stored(claim, options.second))]
            with cluster(options.backend, options.scheduler):
                _recompute(chosen, options, console)
        if options.judge:
            for claim in claims:
                for second in (False, True):
                    if store.is_stored(claim, second):
                        store.Result.load(claim.id, second=second).judged_again(claim).save(second=second)
        rows = store.ledger(options.ids)
    except ValueError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 2
    except KeyboardInterrupt:
        console.print(
            f"Stopped. What is measured is kept; to go on: python -m fpnlib.claims {shlex.join(sys.argv[1:])}",
            markup=False,
        )
        return 130
    console.print(show.table(rows))
    if not options.ids:
        console.print(show.table_of_sets(show.instruction_sets()))
    return 0


def _recompute(claims: Sequence[Claim], options: argparse.Namespace, console: Console) -> None:
    folder = store.PARTIAL / store.SECOND if options.second else store.PARTIAL
    with progress_bar(console) as progress:
        whole = progress.add_task("all claims", total=len(claims))
        for claim in claims:
            seeds = range(options.seeds or claim.seeds) if claim.seeds else ()
            task = progress.add_task(claim.id, total=len(seeds) or 1)
            advance = functools.partial(progress.advance, task)
            result = store.compute(claim, seeds, backend=options.backend, step=advance, resume=folder)
            result.save(second=options.second)
            progress.advance(whole)
            for chunk in folder.glob(f"{claim.id}-*.json"):
                chunk.unlink()


if __name__ == "__main__":
    sys.exit(main())
