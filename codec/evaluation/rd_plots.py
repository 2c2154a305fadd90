"""A benchmark as pictures, PNG or SVG: rate against distortion, speed against rate. Needs matplotlib.

Models of ours are bold and vermilion, other measured codecs thinner, curves from elsewhere dashed and hollow. Colours
are of Okabe and Ito's palette, which colour-blind people can tell apart; the marker says the same again.
"""

import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.curves import Curve
from .comparison import Comparison, relative_percents, tested_codec
from .results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".svg")
_OURS = "#d55e00"
_OTHERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKERS = "osD^vP*X"
_MS_SSIM_LIMIT = 1e-6  # 1 - MS-SSIM of pictures that came back unchanged: 60 dB


@dataclass(frozen=True, slots=True)
class _Style:
    colour: str
    marker: str
    bold: bool = False
    hollow: bool = False


def rd_plot(results: Results, extra_curves: Sequence[Curve], suffix: str) -> bytes:
    """PSNR and, where there is any, MS-SSIM in dB over bits per pixel. Raises ValueError for another suffix."""
    figure = _figure(suffix)
    styles = _styles(results)
    curves = [(results.curve(codec), styles[codec.name]) for codec in results.codecs]
    curves += [(curve, _other(i, hollow=True)) for i, curve in enumerate(extra_curves, len(curves))]
    with_ms_ssim = any(curve.ms_ssim for curve, _ in curves)
    axes = figure.subplots(1, 1 + with_ms_ssim, squeeze=False)[0]
    axes[0].set_title(f"{results.dataset}, means over {len(results.pictures)} pictures", loc="left", parse_math=False)
    for each, label in zip(axes, ("PSNR over RGB, dB", "MS-SSIM, dB: -10 log10(1 - x)"), strict=False):
        _label(each, "bits per pixel", label)
    for curve, style in curves:
        _line(axes[0], curve.name, curve.bpp, curve.psnr_db, style)
        if curve.ms_ssim:
            scores = [-10 * math.log10(max(1 - score, _MS_SSIM_LIMIT)) for score in curve.ms_ssim]
            _line(axes[1], curve.name, curve.bpp, scores, style)
    return _drawn(figure, axes[0], suffix, "dashed: not of this run" if extra_curves else None)


def speed_plot(results: Results, comparisons: Sequence[Comparison], suffix: str) -> bytes:
    """Median seconds to decode against BD-rate relative to the tested codec, one dot a measured codec.

    Raises ValueError for another suffix.
    """
    figure = _figure(suffix)
    axes = figure.subplots()
    tested = tested_codec(results)
    axes.set_title(f"{results.dataset}, {results.threads} threads", loc="left", parse_math=False)
    _label(axes, "seconds to decode a picture, median", f"BD-rate against {tested.name if tested else 'none'}, %")
    axes.axhline(0, color="#808080", linewidth=0.8, zorder=1)
    styles = _styles(results)
    percents = relative_percents(results, comparisons)
    for codec in results.codecs:
        if codec.name in percents:
            seconds = statistics.median(point.decode_seconds for point in results.points(codec))
            _line(axes, codec.name, [seconds], [percents[codec.name]], styles[codec.name])
    return _drawn(figure, axes, suffix)


def _styles(results: Results) -> dict[str, _Style]:
    """One look a codec, the same in both plots."""
    ours = [codec.name for codec in results.codecs if codec.kind == "lcodec"]
    styles = {name: _Style(_OURS, _MARKERS[i % len(_MARKERS)], bold=True) for i, name in enumerate(ours)}
    others = [codec.name for codec in results.codecs if codec.kind != "lcodec"]
    return styles | {name: _other(i) for i, name in enumerate(others, len(ours))}


def _other(i: int, *, hollow: bool = False) -> _Style:
    return _Style(_OTHERS[i % len(_OTHERS)], _MARKERS[i % len(_MARKERS)], hollow=hollow)


def _line(axes: "Axes", name: str, x: Sequence[float], y: Sequence[float], style: _Style) -> None:
    axes.plot(
        x,
        y,
        label=name,
        color=style.colour,
        marker=style.marker,
        markersize=7 if style.bold else 5,
        markerfacecolor="white" if style.hollow else style.colour,
        linewidth=2.6 if style.bold else 1.2,
        linestyle="--" if style.hollow else "-",
        zorder=3 if style.bold else 2,
    )


def _label(axes: "Axes", x: str, y: str) -> None:
    """Name the axes; x is logarithmic, with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)


def _figure(suffix: str) -> "Figure":
    if suffix not in _SUFFIXES:
        raise ValueError(f"a plot is written as one of {' '.join(_SUFFIXES)}, not {suffix or 'no suffix'!r}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'lcodec[bench]'") from None
    return Figure(figsize=(13, 6.5), layout="constrained")


def _drawn(figure: "Figure", axes: "Axes", suffix: str, legend_title: str | None = None) -> bytes:
    """The picture, with the legend of `axes` beside it; the same bytes for the same figure, whatever the time."""
    from matplotlib import rc_context

    handles, names = axes.get_legend_handles_labels()
    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "lcodec", "text.parse_math": False}):  # a dollar in a name is a dollar
        figure.legend(handles, names, loc="outside right upper", fontsize="small", title=legend_title)
        figure.savefig(out, format=suffix[1:], dpi=110, metadata={"Date": None} if suffix == ".svg" else None)
    return out.getvalue()
