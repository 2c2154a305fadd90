"""Checks and inputs that several test files share."""

import os
import subprocess
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "v1"


def picture(height, width, seed=0):
    """A uint8 (H, W, 3) picture with gradients, an edge, texture and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 120 + 60 * np.sin(x / 9 + seed) + 40 * np.cos(y / 13)
    base = np.where(x + 2 * y > width, base, 255 - base)
    colour = np.stack([base, 0.7 * base + 30, 255 - base], axis=2)
    return np.clip(colour + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)


@contextmanager
def onednn(enabled):
    """Switch oneDNN's kernels on or off; torch warns about a TF32 switch that it sets along with it."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=enabled):
            yield


def run_python(*arguments, environment=None, stdin=None):
    """Run this interpreter in a fresh process; the finished process with bytes output."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=120,
        check=False,
    )


def run_process(*arguments, stdin=None, environment=None):
    """Run `lcodec` in a fresh process."""
    return run_python("-m", "lcodec", *map(str, arguments), stdin=stdin, environment=environment)


def run_cli(*arguments, environment=None):
    """Run `lcodec` in this process, which spares seconds of imports; what `run_process` would return."""
    import torch

    from lcodec.codec import cli

    command = ["lcodec", *map(str, arguments)]
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    threads = torch.get_num_threads()
    patches = mock.patch.dict(os.environ, environment or {}), mock.patch.object(sys, "argv", command)
    try:
        with patches[0], patches[1], redirect_stdout(out), redirect_stderr(err):
            code = cli.main(command[1:])
    except SystemExit as wrong_usage:
        code = wrong_usage.code
    finally:
        torch.set_num_threads(threads)
    return subprocess.CompletedProcess(command, code, out.buffer.getvalue(), err.buffer.getvalue())


def assert_one_line_error(done, code=1):
    """The command failed with `code`, said one line on stderr and nothing on stdout."""
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert done.stdout == b""
    assert text.count("\n") == 1 and "Traceback" not in text, text
