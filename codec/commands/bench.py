"""The verbs that measure: bench and profile."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path

from .arguments import Verbs, add_machine, numbers, positive, say, show_progress

_QUICK = 3  # pictures, and qualities of every codec


def add_bench_verb(verbs: Verbs) -> None:
    text = "rate, distortion and speed of real files, beside other codecs on the same pictures and published curves"
    bench = verbs.add("bench", _bench, text)
    text = "kodak, clic-professional, clic-mobile, tecnick, or a folder of pictures; video, or a folder of clips"
    bench.add_argument("pictures", help=text)
    bench.add_argument("--frames", type=positive, help="of each clip, from the first on (default: all)")
    bench.add_argument(
        "--codecs",
        metavar="LIST",
        help="models, jpeg, webp, jpeg2000, avif, jxl, heic, svt-av1, x264, x265, vp9, ... (default base); "
        "of clips lcodec, lcodec-intra, and x264, x265, svt-av1, each -medium or -slow (default all)",
    )
    bench.add_argument("--qualities", type=numbers, metavar="LIST", help="of the models, comma-separated")
    bench.add_argument("--held-out", action="store_true", help="only the pictures that training leaves out")
    bench.add_argument("--quick", action="store_true", help=f"{_QUICK} pictures, {_QUICK} qualities: a look, no result")
    bench.add_argument(
        "--curves",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="compare with the curves of an earlier run, or of a JSON of curves (repeatable)",
    )
    bench.add_argument(
        "--peers", type=Path, action="append", default=[], metavar="FILE", help="merge what another program measured"
    )
    bench.add_argument("--out", type=Path, metavar="DIR", help="write JSON, CSV, Markdown, plots and a page")
    bench.add_argument("--jobs", type=positive, default=1, help="pictures at a time; times are then worse (default 1)")
    bench.add_argument("--fresh", action="store_true", help="measure anew what an earlier run left")
    bench.add_argument("--json", action="store_true", help="print all digits as JSON")
    add_machine(bench)

    text = "where the time of coding a picture goes, stage by stage"
    profile = verbs.add("profile", _profile, text)
    profile.add_argument("picture", type=Path)
    profile.add_argument("-m", "--model", default="base", help="default base")
    profile.add_argument("-q", "--quality", type=float, default=50.0, help="0 to 100 (default 50)")
    profile.add_argument("--repeat", type=positive, default=5, help="times, of which the medians are (default 5)")
    profile.add_argument("--json", action="store_true", help="print all digits as JSON")
    add_machine(profile)


def _profile(options: argparse.Namespace) -> None:
    import torch

    from ..codec import device_of
    from ..evaluation.stages import as_table, profile_picture

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = device_of(options.device)
    found = profile_picture(options.picture, options.model, options.quality, device, options.repeat)
    print(json.dumps(asdict(found)) if options.json else as_table(found))


def _bench(options: argparse.Namespace) -> None:
    if options.pictures == "video" or _holds_clips(Path(options.pictures)):
        _bench_clips(options)
        return
    options.codecs = options.codecs or "base"
    from ..evaluation.extra_curves import read_curves
    from ..evaluation.peers import read_peer
    from ..evaluation.report import as_text, write_report
    from ..evaluation.run import Request, run_bench
    from ..evaluation.test_sets import find_test_set

    if options.out is not None and options.out.exists():
        raise ValueError(f"{options.out} exists: name another folder for the report")
    pictures = find_test_set(options.pictures, options.held_out)
    curves = [*pictures.curves, *(curve for path in options.curves for curve in read_curves(path))]
    request = Request(
        pictures=pictures.first(_QUICK) if options.quick else pictures,
        codecs=tuple(options.codecs.split(",")),
        command=shlex.join(["lcodec", *sys.argv[1:]]),
        device=options.device,
        qualities=options.qualities,
        most_qualities=_QUICK if options.quick else None,
        threads=options.threads or max(1, (os.cpu_count() or 1) // options.jobs),
        jobs=options.jobs,
        fresh=options.fresh,
    )
    # Read before the first minute is spent: a wrong file shall be told at once.
    peers = [peer for path in options.peers for peer in read_peer(path, request.pictures.paths)]
    results = run_bench(request, show_progress)
    results = replace(results, codecs=(*results.codecs, *peers))
    if options.quick:
        curves = curves[len(pictures.curves) :]
    if options.out is not None:
        write_report(results, curves, request.pictures.paths, options.out, show_progress)
        say(f"the report is in {options.out}")
    print(results.to_json() if options.json else as_text(results, curves))


def _holds_clips(folder: Path) -> bool:
    from ..evaluation.video_bench import SUFFIXES

    return folder.is_dir() and any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())


def _bench_clips(options: argparse.Namespace) -> None:
    import torch

    from ...datasets.folders import data_root
    from ..evaluation.video_bench import find_clips, measure
    from ..evaluation.video_codecs import codecs_named, video_codecs
    from ..evaluation.video_report import as_markdown, rate_plot, rd_plot

    if options.out is None:
        raise ValueError("name a folder for the report with --out; a run goes on with what is there")
    folder = data_root() / "video" if options.pictures == "video" else Path(options.pictures)
    clips = find_clips(folder)
    codecs = codecs_named(options.codecs.split(",") if options.codecs else tuple(video_codecs()))
    options.out.mkdir(parents=True, exist_ok=True)
    threads = options.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    points = measure(clips, codecs, options.out, options.qualities, options.frames, threads, show_progress)
    report = as_markdown(points, shlex.join(["lcodec", *sys.argv[1:]]))
    (options.out / "report.md").write_text(report)
    (options.out / "rate-distortion.svg").write_bytes(rd_plot(points, ".svg"))
    (options.out / "rate-over-time.svg").write_bytes(rate_plot(points, ".svg"))
    print(report)
