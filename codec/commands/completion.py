"""The verb that makes shells complete the others: completion."""

import argparse

from .arguments import Verbs

SHELLS = ("bash", "zsh")


def add_completion_verb(verbs: Verbs, parser: argparse.ArgumentParser) -> None:
    text = "print a script that makes a shell complete the commands and options of lcodec"
    completion = verbs.add("completion", lambda options: _completion(parser, options.shell), text)
    completion.add_argument("shell", choices=SHELLS)


def _completion(parser: argparse.ArgumentParser, shell: str) -> None:
    try:
        import shtab
    except ImportError as error:
        raise ImportError("shell completion needs shtab: pip install 'lcodec[completion]'") from error
    print(shtab.complete(parser, shell))
