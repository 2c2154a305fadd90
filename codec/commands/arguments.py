"""What several verbs of the command line share: arguments, and talk on stderr."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ...formats.container import DEFAULT_MAX_PIXELS

_LONG_WORK_PIXELS = 8_000_000

Run = Callable[[argparse.Namespace], None]


class Verbs:
    """The verbs of a parser, to be added to."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        """A verb that calls `run` with its options."""
        command = self._added.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    def group(self, name: str, text: str) -> "Verbs":
        """A word that verbs of its own follow."""
        return Verbs(self._added.add_parser(name, help=text))


def add_input(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("input", help=text)


def add_output(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("-o", "--output", required=True, help=text)
    command.add_argument("-f", "--force", action="store_true", help="overwrite the output")


def add_machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_threads(command)


def add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=positive, help="CPU threads (default: all)")


def add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-pixels", type=positive, default=DEFAULT_MAX_PIXELS, help="refuse larger pictures")


def add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help="folder of photographs (default: $LCODEC_DATA/train)")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def rate(text: str) -> float | Literal["lossless"]:
    return "lossless" if text == "lossless" else float(text)


def numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def announce(pixels: int) -> None:
    """A line about work that will take more than a moment."""
    if pixels > _LONG_WORK_PIXELS:
        say(f"working on {pixels / 1e6:.0f} megapixels ...")


def start_torch(options: argparse.Namespace, pixels: int) -> None:
    """Set the number of threads; announce work that will take more than a moment."""
    announce(pixels)
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)


def say(line: str) -> None:
    print(f"lcodec: {line}", file=sys.stderr, flush=True)


def show_progress(done: int, count: int, what: str) -> None:
    """A bar that redraws itself on a terminal, elsewhere a line for each tenth."""
    if sys.stderr.isatty():
        filled = 30 * done // count
        end = "\n" if done == count else ""
        bar = "#" * filled + "." * (30 - filled)
        print(f"\r[{bar}] {done}/{count} {what:<40.40}", end=end, file=sys.stderr, flush=True)
    elif 10 * done // count != 10 * (done - 1) // count:
        say(f"{done} of {count}: {what}")
