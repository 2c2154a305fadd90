"""The verb that works on whole folders: batch."""

import argparse
import os
from pathlib import Path

from ...formats.errors import LcodecError
from .arguments import Verbs, add_limit, add_machine, positive, rate, say, show_progress


def add_batch_verb(verbs: Verbs) -> None:
    batch = verbs.add("batch", _batch, "compress, or with --decode decompress, all pictures of a folder")
    batch.add_argument("folder", type=Path, help="folder, searched with those within it")
    batch.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to; what is there stays")
    batch.add_argument("--jobs", type=positive, default=1, help="files at a time, each in a process (default 1)")
    batch.add_argument("--ray", action="store_true", help="on a Ray cluster, by $RAY_ADDRESS, or on a local one")
    batch.add_argument("--decode", metavar="SUFFIX", help="decompress to pictures of this kind, such as .png")
    batch.add_argument("-q", "--quality", type=rate, help="0 to 100, real, or lossless (default 75)")
    batch.add_argument("-m", "--model", default="base", help="see `lcodec models` (default base)")
    batch.add_argument("--effort", type=int, default=0, help="0 to 9 (default 0)")
    batch.add_argument("--tile", type=positive, metavar="SIDE", help="as for encode")
    batch.add_argument("--strip", action="store_true", help="as for encode")
    batch.add_argument("-f", "--force", action="store_true", help="make anew what is there")
    add_limit(batch)
    add_machine(batch)


def _batch(options: argparse.Namespace) -> None:
    from ...formats.picture_writing import WRITABLE_SUFFIXES
    from ..batch import Batch, Outcome, plan, run_batch

    if options.decode is not None and options.decode not in WRITABLE_SUFFIXES:
        raise ValueError(f"--decode takes one of {' '.join(WRITABLE_SUFFIXES)}, not {options.decode!r}")
    names = ("quality", "model", "effort", "tile", "strip", "force", "device", "max_pixels")
    work = Batch(
        source=options.folder,
        target=options.out,
        suffix=options.decode,
        threads=options.threads or max(1, (os.cpu_count() or 1) // options.jobs),
        **{name: getattr(options, name) for name in names},
    )
    paths, before = plan(work)

    def progress(done: int, count: int, outcome: Outcome) -> None:
        if outcome.failure is not None:
            say(f"failed: {outcome.path}: {outcome.failure}")
        show_progress(done, count, str(outcome.path))

    outcomes = run_batch(work, paths, options.jobs, progress, options.ray)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    read, made = (sum(getattr(o, name) for o in outcomes) for name in ("source_bytes", "target_bytes"))
    already = f", {before} were there" if before else ""
    print(f"{len(outcomes) - len(failed)} files made{already}; {read} bytes read, {made} written")
    if failed:
        raise LcodecError(
            f"{len(failed)} of {len(outcomes)} files failed: " + ", ".join(str(o.path) for o in failed[:5])
        )
