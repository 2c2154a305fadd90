"""The command line: runs a verb of `commands` and turns every failure into one line and an exit code."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TextIO

from .. import __version__
from ..formats.errors import DamageWarning, LcodecError
from .commands.arguments import Verbs, say
from .commands.batch import add_batch_verb
from .commands.bench import add_bench_verb
from .commands.completion import add_completion_verb
from .commands.pictures import add_picture_verbs
from .commands.serve import add_serve_verb
from .commands.training import add_training_verbs

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
        except ModuleNotFoundError as error:
            known = error.name != "torch"
            return _fail(str(error) if known else "this needs PyTorch; `decode --onnx DIR` does without", EXIT_FAILED)
        except (LcodecError, ValueError, ImportError, OSError) as error:
            return _fail(str(error), EXIT_FAILED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lcodec", description="A learned image codec with exact entropy coding.")
    parser.add_argument("--version", action="version", version=f"lcodec {__version__}")
    verbs = Verbs(parser)
    add_picture_verbs(verbs)
    add_batch_verb(verbs)
    add_serve_verb(verbs)
    add_training_verbs(verbs)
    add_bench_verb(verbs)
    add_completion_verb(verbs, parser)
    return parser


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    say(f"warning: {message}")


def _fail(line: str, code: int) -> int:
    say(" ".join(line.split()))
    return code
