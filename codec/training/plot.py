"""Training logs as a picture: loss, rate and distortion over steps. Needs matplotlib (the extra `train`)."""

import io
from collections.abc import Sequence
from pathlib import Path

from .run_log import read_log
from .update import BANDS

_SUFFIXES = (".png", ".svg")
_SMOOTHED = 9  # rows


def plot_logs(paths: Sequence[Path], suffix: str) -> bytes:
    """The bytes of a PNG or SVG picture. Raises ValueError for another suffix or a file that is no log."""
    if suffix not in _SUFFIXES:
        raise ValueError(f"a plot is written as one of {' '.join(_SUFFIXES)}, not {suffix or 'no suffix'!r}")
    logs = {path.name.removesuffix(".csv"): read_log(path) for path in paths}
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'lcodec[train]'") from None
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    (loss, held), (rate, distortion) = figure.subplots(2, 2)
    for name, rows in logs.items():
        steps, values = _column(rows, "loss")
        loss.plot(steps, _smooth(values), label=name)
        held.plot(*_column(rows, "validation"), marker="o", label=name)
        for band in range(BANDS):
            shade = {"alpha": 0.3 + 0.7 * band / (BANDS - 1), "label": f"{name}, sixth {band + 1} of quality"}
            for axes, key in ((rate, f"bpp_{band}"), (distortion, f"psnr_db_{band}")):
                steps, values = _column(rows, key)
                axes.plot(steps, _smooth(values), **shade)
    for axes, title in ((loss, "loss"), (held, "validation: mean log loss"), (rate, "bpp"), (distortion, "PSNR dB")):
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    loss.set_yscale("log")
    rate.set_yscale("log")
    held.legend()
    if len(logs) == 1:
        rate.legend(fontsize="x-small")
    drawn = io.BytesIO()
    figure.savefig(drawn, format=suffix[1:], dpi=110)
    return drawn.getvalue()


def _column(rows: list[dict[str, str]], key: str) -> tuple[list[int], list[float]]:
    pairs = [(int(row["step"]), float(row[key])) for row in rows if row[key]]
    return [step for step, _ in pairs], [value for _, value in pairs]


def _smooth(values: list[float]) -> list[float]:
    """Running mean of the last few values."""
    return [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i + 1 - _SMOOTHED) : i + 1])]
