"""The command line. Every verb is one function; the work is done by the API."""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from .. import __version__
from ..formats.container import DEFAULT_MAX_PIXELS, unpack
from ..formats.errors import DamageWarning, LcodecError, ModelError
from ..formats.files import check_output, read_input, write_output

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130  # wrong usage is argparse's 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0 done, 1 failed, 2 wrong usage. Every failure is one line on stderr."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamageWarning)
        warnings.showwarning = _show_warning
        try:
            run(options)
            sys.stdout.flush()
        except KeyboardInterrupt:
            return _fail("interrupted", EXIT_INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # nobody reads; Python would complain again at exit
            return EXIT_FAILED
        except (MemoryError, RuntimeError) as error:
            # torch has no class of its own for this on the CPU.
            if isinstance(error, MemoryError) or "memory" in str(error):
                return _fail("not enough memory for this picture", EXIT_FAILED)
            raise
        except (LcodecError, ValueError, ImportError, OSError) as error:
            return _fail(str(error), EXIT_FAILED)
    return 0


def _encode(options: argparse.Namespace) -> None:
    check_output(options.output, options.force)
    data = read_input(options.input)
    from ..formats.pictures import read_picture

    picture = read_picture(data)
    for note in picture.notes:
        _say(f"note: {note}")
    from .api import codec

    _start_torch(options, picture.pixels.shape[0] * picture.pixels.shape[1])
    coded = codec(options.model, options.device).encode(picture.pixels, options.quality, options.comment)
    write_output(options.output, coded, options.force)


def _decode(options: argparse.Namespace) -> None:
    check_output(options.output, options.force)
    data = read_input(options.input)
    from ..formats.pictures import WRITABLE_SUFFIXES, write_picture

    suffix = ".png" if options.output == "-" else Path(options.output).suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise ValueError(f"output {options.output!r}: the suffix must be one of {' '.join(WRITABLE_SUFFIXES)}")
    stream = unpack(data, options.max_pixels)
    from .api import codec_for

    _start_torch(options, stream.header.width * stream.header.height)
    pixels = codec_for(stream, options.device).decode_stream(stream)
    write_output(options.output, write_picture(pixels, suffix), options.force)


def _info(options: argparse.Namespace) -> None:
    from .api import info

    about = info(read_input(options.input))
    if options.json:
        print(json.dumps(asdict(about)))
        return
    print(f"size      {about.width} x {about.height}")
    print(f"quality   {about.quality:.2f}")
    print(f"model     {about.model} (id {about.model_id}, weights {about.weights}, {about.standing})")
    print(f"file      {about.file_bytes} bytes, {about.bpp:.4f} bpp")
    print(f"steps     {' '.join(map(str, about.step_bytes))} bytes")
    if about.comment is not None:
        print(f"comment   {about.comment!a}")


def _verify(options: argparse.Namespace) -> None:
    stream = unpack(read_input(options.input), options.max_pixels)
    from .api import codec_for

    _start_torch(options, stream.header.width * stream.header.height)
    codec_for(stream, options.device).verify_stream(stream)
    print("ok: sections and symbols match their checksums")


def _models(options: argparse.Namespace) -> None:
    from .installed import as_lines, known, look
    from .registry import by_name
    from .weights_cache import fetch_weights, find_weights

    name = options.path if options.fetch is None else options.fetch
    entries = known() if name is None else (by_name(name),)
    if options.path is not None:
        find_weights(*entries)
    if options.fetch is not None:
        fetch_weights(*entries)
    rows = look(entries, options.verify)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print("\n".join(as_lines(rows) if name is None else [row.path for row in rows]))
    if damaged := [row.path for row in rows if row.state == "damaged"]:
        raise ModelError(f"damaged: {', '.join(damaged)}")


def _pack(options: argparse.Namespace) -> None:
    from ..datasets.pack import Settings, pack
    from ..datasets.sizes import parse_size

    limit_bytes = None if options.limit is None else parse_size(options.limit)
    settings = Settings(parse_size(options.shard_size), limit_bytes, options.min_side, options.keep_small_jpeg)
    packed = pack(options.folder, options.output, settings, () if options.no_test_set else options.test_set)
    for line in packed.as_lines():
        _say(line)


def _train(options: argparse.Namespace) -> None:
    from .training.loop import Session
    from .training.run import default_mode, run_training

    _start_torch(options, 0)
    session = Session(
        minutes=options.minutes,
        pause_minutes=options.pause_after,
        resume=options.resume,
        start=options.start,
        other_pictures=options.other_pictures,
        mode=options.mode or default_mode(),
    )
    run_training(Path(options.recipe), options.set, Path(options.output), options.data, session)


def _plot(options: argparse.Namespace) -> None:
    check_output(options.output, options.force)
    from .training.plot import plot_logs

    write_output(options.output, plot_logs(options.logs, Path(options.output).suffix), options.force)


def _export(options: argparse.Namespace) -> None:
    check_output(options.output, options.force)
    from .export import export

    _start_torch(options, 0)
    model, report = export(Path(options.checkpoint), options.first_row, options.data)
    write_output(options.output, model, options.force)
    for line in report:
        _say(line)


def _bench(options: argparse.Namespace) -> None:
    from .evaluation.bench import compared, run_bench
    from .evaluation.report import as_json, as_table, read_curve

    earlier = [read_curve(path) for path in options.against]
    _start_torch(options, 0)
    folder = Path(options.folder)
    result = run_bench(folder, options.model, options.device, options.qualities, _say, options.held_out)
    result = compared(result, earlier)
    print(as_json(result) if options.json else as_table(result))


def _start_torch(options: argparse.Namespace, pixels: int) -> None:
    """Set the number of threads; announce work that will take more than a moment."""
    if pixels > _LONG_WORK_PIXELS:
        _say(f"working on {pixels / 1e6:.0f} megapixels ...")
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)


_LONG_WORK_PIXELS = 8_000_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lcodec", description="A learned image codec with exact entropy coding.")
    parser.add_argument("--version", action="version", version=f"lcodec {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    encode = verb("encode", _encode, "compress a picture")
    _input(encode, "picture: PNG, JPEG, WebP, TIFF, BMP, PPM or still GIF; - is standard input")
    _output(encode, "coded file; - is standard output")
    encode.add_argument("-q", "--quality", type=float, default=75.0, help="0 to 100, real (default 75)")
    encode.add_argument("-m", "--model", default="base", help="see `lcodec models` (default base)")
    encode.add_argument("--comment", help="text to store in the file")
    _machine(encode)

    decode = verb("decode", _decode, "decompress to a picture")
    _input(decode, "coded file; - is standard input")
    _output(decode, "picture: .png .ppm .bmp .tif .webp (lossless); - is PNG on standard output")
    _limit(decode)
    _machine(decode)

    info = verb("info", _info, "what a coded file says of itself")
    _input(info, "coded file; - is standard input")
    info.add_argument("--json", action="store_true", help="as one line of JSON")

    verify = verb("verify", _verify, "check a coded file's sections and decode its symbols")
    _input(verify, "coded file; - is standard input")
    _limit(verify)
    _machine(verify)

    models = verb("models", _models, "the models: which weights are where on this machine, and their state")
    task = models.add_mutually_exclusive_group()
    task.add_argument("--verify", action="store_true", help="read the files and compare their SHA-256")
    task.add_argument("--path", metavar="NAME", help="print only where the weights of this model are")
    task.add_argument("--fetch", metavar="NAME", help="download them from $LCODEC_RELEASES; print where they are")
    models.add_argument("--json", action="store_true", help="as one line of JSON")

    text = "pack a folder of photographs into shards, to be carried to another machine"
    data = verbs.add_parser("data", help="training data").add_subparsers(required=True, metavar="COMMAND")
    pack = data.add_parser("pack", help=text, description=text)
    pack.set_defaults(run=_pack)
    pack.add_argument("folder", type=Path, help="folder of photographs")
    pack.add_argument("-o", "--output", type=Path, required=True, help="folder to make; it must not be there yet")
    pack.add_argument("--shard-size", default="30MiB", metavar="SIZE", help="at most, such as 30MB (default 30MiB)")
    pack.add_argument("--limit", metavar="SIZE", help="of all shards together (default: none)")
    pack.add_argument("--min-side", type=_positive, default=256, metavar="PIXELS", help="shorter side (default 256)")
    pack.add_argument("--keep-small-jpeg", action="store_true", help="keep lossy files too small to be scaled down")
    check = pack.add_mutually_exclusive_group()
    check.add_argument("--test-set", type=Path, action="append", metavar="DIR", help="default: $LCODEC_DATA/kodak")
    check.add_argument("--no-test-set", action="store_true", help="do not look for copies of test pictures")

    train = verb("train", _train, "train a model")
    train.add_argument("recipe", help="TOML file")
    train.add_argument("-o", "--output", required=True, help="checkpoint to write, or to go on from with --resume")
    train.add_argument("--minutes", type=float, default=60.0, help="time budget of a fresh run (default 60)")
    train.add_argument("--resume", action="store_true", help="go on to the end of an interrupted or paused run")
    train.add_argument("--pause-after", type=float, metavar="MINUTES", help="stop then, to be resumed")
    train.add_argument(
        "--start", type=Path, metavar="FILE", help="begin with the weights of a checkpoint or model file"
    )
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe (repeatable)")
    train.add_argument("--other-pictures", action="store_true", help="resume although the pictures changed")
    train.add_argument("--mode", choices=("eager", "compiled", "graph"), help="default: graph on a GPU, else eager")
    _data(train)
    _threads(train)

    plot = verb("plot", _plot, "draw the logs of training runs")
    plot.add_argument("logs", nargs="+", type=Path, help="CSV that training wrote beside its checkpoint")
    _output(plot, "picture: .png or .svg")

    export = verb("export", _export, "turn a checkpoint into a model file and measure the loss of conversion")
    export.add_argument("checkpoint")
    _output(export, "model file (.safetensors)")
    export.add_argument("--first-row", type=int, default=6, help="first table row that is coded (default 6)")
    _data(export)
    _threads(export)

    bench = verb("bench", _bench, "rate and distortion of real files, against published and measured curves")
    bench.add_argument("folder", help="folder of pictures")
    bench.add_argument("-m", "--model", default="base")
    bench.add_argument("--qualities", type=_numbers, default=_BENCH_QUALITIES, help="comma-separated")
    bench.add_argument("--held-out", action="store_true", help="only the pictures that training leaves out")
    bench.add_argument("--against", type=Path, action="append", default=[], help="JSON of an earlier run (repeatable)")
    bench.add_argument("--json", action="store_true")
    _machine(bench)
    return parser


_BENCH_QUALITIES = (0.0, 12.5, 25.0, 37.5, 50.0, 62.5, 75.0, 87.5, 100.0)


def _input(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("input", help=text)


def _output(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("-o", "--output", required=True, help=text)
    command.add_argument("-f", "--force", action="store_true", help="overwrite the output")


def _machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    _threads(command)


def _threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=_positive, help="CPU threads (default: all)")


def _limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-pixels", type=_positive, default=DEFAULT_MAX_PIXELS, help="refuse larger pictures")


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help="folder of photographs (default: $LCODEC_DATA/train)")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _say(f"warning: {message}")


def _say(line: str) -> None:
    print(f"lcodec: {line}", file=sys.stderr, flush=True)


def _fail(line: str, code: int) -> int:
    _say(" ".join(line.split()))
    return code
