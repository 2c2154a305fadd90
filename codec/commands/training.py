"""The verbs that make models: data pack, train, plot, export, import, ablate."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from ...formats.files import check_output, write_output
from .arguments import Verbs, add_data, add_output, add_threads, numbers, positive, say, show_progress, start_torch


def add_training_verbs(verbs: Verbs) -> None:
    text = "pack a folder of photographs into shards, to be carried to another machine"
    data = verbs.group("data", "training data")
    pack = data.add("pack", _pack, text)
    pack.add_argument("folder", type=Path, help="folder of photographs")
    pack.add_argument("-o", "--output", type=Path, required=True, help="folder to make; it must not be there yet")
    pack.add_argument("--shard-size", default="30MiB", metavar="SIZE", help="at most, such as 30MB (default 30MiB)")
    pack.add_argument("--limit", metavar="SIZE", help="of all shards together (default: none)")
    pack.add_argument("--min-side", type=positive, default=256, metavar="PIXELS", help="shorter side (default 256)")
    pack.add_argument("--keep-small-jpeg", action="store_true", help="keep lossy files too small to be scaled down")
    check = pack.add_mutually_exclusive_group()
    check.add_argument("--test-set", type=Path, action="append", metavar="DIR", help="default: $LCODEC_DATA/kodak")
    check.add_argument("--no-test-set", action="store_true", help="do not look for copies of test pictures")

    text = "what training of predicted frames needs of clips: all their planes"
    prepare = data.add("prepare-clips", _prepare_clips, text)
    prepare.add_argument("folder", type=Path, help="folder of clips, 8 bits and 4:2:0")
    prepare.add_argument("-o", "--output", type=Path, required=True, help="of the results; goes on where it stood")

    train = verbs.add("train", _train, "train a model")
    train.add_argument("recipe", help="TOML file")
    train.add_argument("-o", "--output", required=True, help="checkpoint to write, or to go on from with --resume")
    train.add_argument("--minutes", type=float, default=60.0, help="time budget of a fresh run (default 60)")
    train.add_argument("--steps", type=positive, help="a budget in steps in place of minutes")
    train.add_argument("--resume", action="store_true", help="go on to the end of an interrupted or paused run")
    train.add_argument("--pause-after", type=float, metavar="MINUTES", help="stop then, to be resumed")
    train.add_argument(
        "--start", type=Path, metavar="FILE", help="begin with the weights of a checkpoint or model file"
    )
    train.add_argument("--clips", type=Path, metavar="DIR", help="of `lcodec data prepare-clips`, for predicted frames")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe (repeatable)")
    train.add_argument("--other-pictures", action="store_true", help="resume although the pictures changed")
    train.add_argument("--mode", choices=("eager", "compiled", "graph"), help="default: graph on a GPU, else eager")
    add_data(train)
    add_threads(train)

    plot = verbs.add("plot", _plot, "draw the logs of training runs")
    plot.add_argument("logs", nargs="+", type=Path, help="CSV that training wrote beside its checkpoint")
    add_output(plot, "picture: .png or .svg")

    export = verbs.add("export", _export, "turn a checkpoint into a model file, or a model into ONNX graphs")
    export.add_argument("source", help="a checkpoint; for onnx the name of a model")
    add_output(export, "model file (.safetensors), measured against the checkpoint; for onnx a folder")
    export.add_argument("--to", choices=("model", "onnx"), default="model", help="what to make of it (default model)")
    export.add_argument("--clips", type=Path, metavar="DIR", help="as of train, for a model of predicted frames")
    export.add_argument("--first-row", type=int, default=6, help="first table row that is coded (default 6)")
    add_data(export)
    add_threads(export)

    text = "store a checkpoint of CompressAI as a model that codes into lcodec files, and print its name"
    importing = verbs.add("import", _import, text)
    importing.add_argument(
        "checkpoint", type=Path, help="of bmshj2018-factorized, bmshj2018-hyperprior or mbt2018-mean"
    )
    text = "some pictures like those to be coded: ranges are taken from them"
    importing.add_argument("--pictures", type=Path, required=True, metavar="DIR", help=text)
    importing.add_argument("--first-row", type=int, default=0, help="first table row that is coded (default 0: all)")
    add_threads(importing)

    text = "train transforms on equal terms and compare their real files; goes on where an earlier call stood"
    ablate = verbs.add("ablate", _ablate, text)
    ablate.add_argument("recipe", type=Path, help="TOML file")
    ablate.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the runs")
    ablate.add_argument(
        "--vary", required=True, metavar="KEY=A,B,...", help="values of one key of the recipe; the first is the anchor"
    )
    ablate.add_argument("--seeds", type=numbers, default=(0.0, 1.0), metavar="LIST", help="default 0,1")
    ablate.add_argument("--steps", type=positive, required=True, help="of every run")
    ablate.add_argument("--start", type=Path, metavar="FILE", help="begin every run with these weights")
    ablate.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe (repeatable)"
    )
    add_data(ablate)
    add_threads(ablate)


def _pack(options: argparse.Namespace) -> None:
    from ...datasets.pack import Settings, pack
    from .sizes import parse_size

    limit_bytes = None if options.limit is None else parse_size(options.limit)
    settings = Settings(parse_size(options.shard_size), limit_bytes, options.min_side, options.keep_small_jpeg)
    packed = pack(options.folder, options.output, settings, () if options.no_test_set else options.test_set)
    for line in packed.as_lines():
        say(line)


def _train(options: argparse.Namespace) -> None:
    from ..training.loop import Session
    from ..training.run import default_mode, run_training

    start_torch(options, 0)
    session = Session(
        minutes=options.minutes,
        pause_minutes=options.pause_after,
        resume=options.resume,
        start=options.start,
        other_pictures=options.other_pictures,
        mode=options.mode or default_mode(),
        steps=options.steps,
    )
    run_training(Path(options.recipe), options.set, Path(options.output), options.data, session, options.clips)


def _prepare_clips(options: argparse.Namespace) -> None:
    from ..evaluation.video_bench import find_clips
    from ..training.clip_preparation import prepare_clips

    count = prepare_clips(find_clips(options.folder), options.output, show_progress)
    say(f"{count} clips are in {options.output}")


def _plot(options: argparse.Namespace) -> None:
    check_output(options.output, options.force)
    from ..training.plot import plot_logs

    write_output(options.output, plot_logs(options.logs, Path(options.output).suffix), options.force)


def _export(options: argparse.Namespace) -> None:
    if options.to == "onnx":
        _export_onnx(options)
        return
    check_output(options.output, options.force)
    from ..export import export
    from ..lossless_export import export_lossless
    from ..training.lossless import is_lossless_checkpoint
    from ..training.video import is_video_checkpoint
    from ..video.export import export_predicted

    start_torch(options, 0)
    checkpoint = Path(options.source)
    if is_video_checkpoint(checkpoint):
        if options.clips is None:
            raise ValueError("rows are counted on clips that it was trained with: --clips DIR")
        model, report = export_predicted(checkpoint, options.first_row, options.clips)
    elif is_lossless_checkpoint(checkpoint):
        model, report = export_lossless(checkpoint, options.data)
    else:
        model, report = export(checkpoint, options.first_row, options.data)
    write_output(options.output, model, options.force)
    for line in report:
        say(line)


def _export_onnx(options: argparse.Namespace) -> None:
    folder = Path(options.output)
    if not options.force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: --force writes into it")
    from ..onnx_export import export_onnx
    from ..registry import by_name

    export_onnx(by_name(options.source)).write(folder, overwrite=True)


def _import(options: argparse.Namespace) -> None:
    from ..compressai import import_checkpoint
    from ..registry import brought
    from ..weights_cache import store_weights

    start_torch(options, 0)
    model, report = import_checkpoint(options.checkpoint, options.pictures, options.first_row)
    entry = brought("compressai", model)
    for line in report:
        say(line)
    say(f"stored as {store_weights(entry, model)}")
    print(entry.full_name)


def _ablate(options: argparse.Namespace) -> None:
    from ..ablation import Ablation, ablate

    key, _, values = options.vary.partition("=")
    if not key or not all(values.split(",")):
        raise ValueError(f"--vary takes KEY=A,B,..., not {options.vary!r}")
    start_torch(options, 0)
    ablation = Ablation(
        recipe=options.recipe,
        changes=tuple(options.set),
        key=key,
        values=tuple(values.split(",")),
        seeds=tuple(int(seed) for seed in options.seeds),
        steps=options.steps,
        folder=options.output,
        data=options.data,
        threads=options.threads or os.cpu_count() or 1,
        start=options.start,
        command=shlex.join(["lcodec", *sys.argv[1:]]),
    )
    print(ablate(ablation, say), end="")
