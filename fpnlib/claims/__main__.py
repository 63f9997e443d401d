"""The command line of the ledger: print it, measure again, also on the reader's own photos, judge again."""

import argparse
import functools
import itertools
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from fpnlib.claims import show, store
from fpnlib.claims.claim import Claim
from fpnlib.data.folders import KINDS, PHOTOS, LabelledFolder, labelled_folder
from fpnlib.training.progress import progress_bar
from fpnlib.training.sweep import BACKENDS, cluster
from fpnlib.validation import require

_KINDS = " or ".join(f"{kind}=FOLDER" for kind in KINDS)
_SPLITS = " or ".join(split for _, split in KINDS.values())


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
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="with --recompute: store beside the first, as measured with a backbone that learns (on a GPU, if any)",
    )
    parser.add_argument("--judge", action="store_true", help="judge stored measurements by the criteria as they stand")
    parser.add_argument("--seeds", type=int, metavar="N", help="with --recompute: seeds 0 … N−1 for claims with chance")
    parser.add_argument("--data", metavar="KIND=FOLDER", help=f"measure on your own photos: {_KINDS}")
    parser.add_argument("--split", help=f"with --data: which photos; by default {_SPLITS}")
    parser.add_argument(
        "--photos", type=int, metavar="N", help=f"with --data: how many, {PHOTOS} by default, 0 for all"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="sequential")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, for --backend dask")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        require(options.seeds is None or options.seeds >= 2, "seeds", options.seeds, "2 or more")
        data = _data(options)
        claims = store.named(options.ids, on_photos=bool(data))
        if options.recompute or data:  # not by way of the ledger, so that a damaged result can be measured anew
            folder = _folder(options, data)
            chosen = [claim for claim in claims if claim.seeds or not options.second]
            chosen = [claim for claim in chosen if claim.tunes or not options.fine_tune]
            chosen = [claim for claim in chosen if not (options.missing and store.is_stored(claim, folder))]
            with cluster(options.backend, options.scheduler):
                _recompute(chosen, data, folder, options, console)
        if options.judge:
            for claim, folder in itertools.product(claims, store.FOLDERS):
                if store.is_stored(claim, folder):
                    store.Result.load(claim.id, folder).judged_again(claim).save(folder)
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
    console.print(show.blocks(rows))
    if not options.ids:
        for beside in (show.instruction_sets(), show.backbones()):
            console.print(show.table(beside))
    return 0


def _data(options: argparse.Namespace) -> LabelledFolder | None:
    """The reader's own photos, if any are named."""
    if options.data is None:
        for name in ("split", "photos"):
            require(getattr(options, name) is None, name, getattr(options, name), "only with --data")
        return None
    kind, _, folder = options.data.partition("=")
    require(bool(folder), "data", repr(options.data), _KINDS)
    for name in ("second", "fine_tune", "seeds", "judge"):
        require(not getattr(options, name), name, getattr(options, name), "not with --data")
    return labelled_folder(kind, folder, options.split, PHOTOS if options.photos is None else options.photos)


def _folder(options: argparse.Namespace, data: LabelledFolder | None) -> str:
    """Which of `store.FOLDERS` takes what is measured."""
    require(not (options.second and options.fine_tune), "second", True, "not with --fine-tune")
    if data:
        return f"{store.DATA}/{data.kind}"
    return store.SECOND if options.second else store.TUNED if options.fine_tune else ""


def _recompute(
    claims: Sequence[Claim], data: LabelledFolder | None, folder: str, options: argparse.Namespace, console: Console
) -> None:
    partial = store.PARTIAL / folder
    with progress_bar(console) as progress:
        whole = progress.add_task("all claims", total=len(claims))
        for claim in claims:
            seeds = range(options.seeds or claim.seeds) if claim.seeds and not data else ()
            task = progress.add_task(claim.id, total=len(data.photos if data else seeds) or 1)
            advance = functools.partial(progress.advance, task)
            result = store.compute(
                claim,
                seeds,
                data=data,
                fine_tune=options.fine_tune,
                backend=options.backend,
                step=advance,
                resume=partial,
            )
            result.save(folder)
            progress.advance(whole)
            for chunk in partial.glob(f"{claim.id}-*.json"):
                chunk.unlink()


if __name__ == "__main__":
    sys.exit(main())
