"""Codecs that are programs: finding them, running them, asking for their version."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def find_tool(names: Sequence[str], source: str) -> Path:
    """The first of these programs that is on PATH. Raises FileNotFoundError, naming where to get it, for none."""
    for name in names:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise FileNotFoundError(f"{' or '.join(names)} is not on PATH: {source}")


def run_tool(tool: Path, *arguments: object) -> None:
    """Run a program to its end. Raises RuntimeError with the last thing it said if it failed."""
    done = _run(tool, *arguments)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "without a word").splitlines()
        raise RuntimeError(f"{tool.name} failed with exit code {done.returncode}: {said[-1]}")


def tool_version(tool: Path, option: str, pattern: str) -> str:
    """The first match of `pattern` in what the program says when it is given `option`.

    Raises ImportError if there is none: a program of the same name, but not the one that is meant.
    """
    done = _run(tool, option)
    match = re.search(pattern, done.stdout + done.stderr)
    if match is None:
        raise ImportError(f"{tool} does not call itself {pattern.split()[0]}")
    return match[0]


def _run(tool: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace")
