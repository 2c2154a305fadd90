"""The report on clips: tables in Markdown, and plots of rate against distortion and of rate over time."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .video_bench import Point, percents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEASURES = (("yuv_db", "YUV 6:1:1"), ("rgb_db", "RGB"), ("ms_ssim", "MS-SSIM"))
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
_COLUMNS = 4


def as_markdown(points: Sequence[Point], command: str) -> str:
    """BD-rates of the first codec against each other one, clip by clip and in the mean; speeds; settings."""
    codecs = list(dict.fromkeys(point.codec for point in points))
    clips = list(dict.fromkeys(point.clip for point in points))
    tested, others = codecs[0], codecs[1:]
    lines = [f"# {tested} on {len(clips)} clips", "", f"`{command}`", ""]
    lines += [
        f"BD-rate of {tested} in per cent, less is better: PCHIP on the logarithm of bits a second of whole files, "
        "over the range of quality that both curves have. Other codecs: raw streams. Quality is the mean over frames.",
        "",
    ]
    for measure, title in _MEASURES:
        table = {other: percents(points, tested, other, measure) for other in others}
        if not any(table.values()):
            continue
        lines += [f"| {title} | {' | '.join(others)} |", "|---|" + "---:|" * len(others)]
        rows = [(clip, [table[other].get(clip) for other in others]) for clip in clips]
        means = [float(np.mean(list(table[other].values()))) if table[other] else None for other in others]
        for name, values in [*rows, ("**mean**", means)]:
            cells = ["" if value is None else f"{value:+.1f}" for value in values]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["| codec | frames a second, encoding | decoding | settings |", "|---|---:|---:|---|"]
    for codec in codecs:
        own = [point for point in points if point.codec == codec]
        fps = (float(np.median([getattr(point, name) for point in own])) for name in ("encode_fps", "decode_fps"))
        settings = f"{own[0].settings}; {own[0].version}; {own[0].threads} threads"
        lines.append(f"| {codec} | {' | '.join(f'{value:.1f}' for value in fps)} | {settings} |")
    return "\n".join([*lines, ""])


def rd_plot(points: Sequence[Point], suffix: str) -> bytes:
    """PSNR of YUV over bits a second, one part a clip. Needs matplotlib."""
    clips = list(dict.fromkeys(point.clip for point in points))
    figure, axes = _grid(len(clips))
    for each, clip in zip(axes, clips, strict=False):
        for codec, colour in _styles(points):
            own = sorted((p.bits_per_second / 1000, p.yuv_db) for p in points if p.clip == clip and p.codec == codec)
            each.plot(*zip(*own, strict=True), marker="o", ms=3, lw=1.2, color=colour, label=codec)
        each.set_xscale("log")
        each.set_title(clip, fontsize=8, loc="left", parse_math=False)
        each.set_xlabel("kbit/s", fontsize=7)
        each.set_ylabel("PSNR, YUV 6:1:1, dB", fontsize=7)
    return _drawn(figure, axes, suffix)


def rate_plot(points: Sequence[Point], suffix: str) -> bytes:
    """Bits of each frame over time, at each codec's middle quality, one part a clip."""
    clips = list(dict.fromkeys(point.clip for point in points))
    figure, axes = _grid(len(clips))
    for each, clip in zip(axes, clips, strict=False):
        for codec, colour in _styles(points):
            own = sorted((p for p in points if p.clip == clip and p.codec == codec), key=lambda p: p.bits_per_second)
            middle = own[len(own) // 2]
            kilobits = [8 * size / 1000 for size in middle.frame_bytes]
            each.plot(range(len(kilobits)), kilobits, lw=1, color=colour, label=codec)
        each.set_yscale("log")
        each.set_title(clip, fontsize=8, loc="left", parse_math=False)
        each.set_xlabel("frame", fontsize=7)
        each.set_ylabel("kbit", fontsize=7)
    return _drawn(figure, axes, suffix)


def _styles(points: Sequence[Point]) -> list[tuple[str, str]]:
    codecs = list(dict.fromkeys(point.codec for point in points))
    return [(codec, _COLOURS[n % len(_COLOURS)]) for n, codec in enumerate(codecs)]


def _grid(count: int) -> "tuple[Figure, list]":  # type: ignore[type-arg]
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'lcodec[bench]'") from error
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for each in axes[count:]:
        each.set_visible(False)
    for each in axes:
        each.tick_params(labelsize=6)
        each.grid(True, lw=0.3)
    return figure, list(axes)


def _drawn(figure: "Figure", axes: list, suffix: str) -> bytes:  # type: ignore[type-arg]
    axes[0].legend(fontsize=6)
    file = io.BytesIO()
    figure.savefig(file, format=suffix[1:], metadata={"Date": None} if suffix == ".svg" else None)
    return file.getvalue()
