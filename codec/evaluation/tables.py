"""A benchmark as text: Markdown for people, CSV for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

from .comparison import Comparison
from .results import CodecResults, Point, Results, Sample

_MIB = 2**20
_DIGEST_DIGITS = 12
_NONE = "-"
_TEXT_COLUMNS = ("against", "codec", "version", "settings", "source")


def as_markdown(results: Results, comparisons: Sequence[Comparison]) -> str:
    """BD-rates, points, costs, what was absent, and how it was measured."""
    parts = [_header(results), *_bd_table(comparisons)]
    for codec in results.codecs:
        if codec.comparable:
            parts += [f"## {_line(codec.name)}", _points_table(results.points(codec))]
    parts += ["## Costs", _costs_table(results.codecs)]
    notes = [f"- {_line(codec.name)}: {_line(codec.note)}" for codec in results.codecs if codec.note]
    if notes:
        parts += ["## Notes", "\n".join(notes)]
    if results.absent:
        parts += ["## Not measured", "\n".join(f"- {_line(line)}" for line in results.absent)]
    return "\n\n".join(parts) + "\n"


def as_csv(results: Results) -> str:
    """One row a sample, full precision, lines end in CRLF (RFC 4180); an empty field is a figure that is undefined."""
    out = io.StringIO()
    rows = csv.DictWriter(out, ["codec", *(field.name for field in fields(Sample))])
    rows.writeheader()
    for codec in results.codecs:
        rows.writerows({"codec": codec.name, **asdict(sample)} for sample in codec.samples)
    return out.getvalue()


def _header(results: Results) -> str:
    version = f"lcodec {results.version}" + (f", commit {results.commit}" if results.commit else "")
    count = len(results.pictures)
    digest = results.pictures_digest[:_DIGEST_DIGITS]
    return "\n".join(
        (
            f"# Benchmark on {_line(results.dataset)}",
            "",
            f"- Pictures: {count} (digest {digest})",
            f"- Machine: {_line(results.machine)}; {results.threads} threads a picture, {results.jobs} at a time",
            f"- Version: {version}",
            f"- Date: {results.date}",
            f"- Command: `{_line(results.command)}`",
        )
    )


def _bd_table(comparisons: Sequence[Comparison]) -> list[str]:
    if not comparisons:
        return []
    heads = ("against", "BD-rate", "Akima", "BD-PSNR dB", "from dB", "to dB", "dropped", "curve", "source")
    rows = []
    for comparison in comparisons:
        deltas = comparison.deltas
        if deltas is None:
            figures: tuple[str, ...] = (_cell(comparison.reason), *(_NONE,) * 5)
        else:
            figures = (
                f"{deltas.percent:+.2f} %",
                f"{deltas.akima_percent:+.2f} %",
                _number(deltas.psnr_gain_db, "+.3f"),
                f"{deltas.low_db:.2f}",
                f"{deltas.high_db:.2f}",
                str(deltas.dropped),
            )
        source = "this run" if comparison.measured else _cell(comparison.source)
        rows.append((_cell(comparison.reference), *figures, comparison.digest, source))
    return [
        f"## BD-rate of {_line(comparisons[0].tested)}",
        "Negative: it needs fewer bits. Means over pictures, PCHIP on log-rate over the shared PSNR range; "
        "`dropped` counts dominated points, `curve` is the digest of the other curve.",
        _table(heads, rows),
    ]


def _points_table(points: Sequence[Point]) -> str:
    heads = ("quality", "bpp", "PSNR dB", "PSNR-YUV dB", "SSIM", "MS-SSIM")
    seconds = ("encode s", "encode CPU s", "decode s", "decode CPU s")
    rows = [
        (
            f"{point.quality:g}",
            f"{point.bpp:.4f}",
            f"{point.psnr_db:.3f}",
            f"{point.psnr_yuv_db:.3f}",
            _number(point.ssim, ".5f"),
            _number(point.ms_ssim, ".5f"),
            f"{point.encode_seconds:.3g}",
            f"{point.encode_cpu_seconds:.3g}",
            f"{point.decode_seconds:.3g}",
            f"{point.decode_cpu_seconds:.3g}",
        )
        for point in points
    ]
    return _table((*heads, *seconds), rows)


def _costs_table(codecs: Sequence[CodecResults]) -> str:
    heads = ("codec", "version", "settings", "parameters", "encode kMAC/px", "decode kMAC/px", "peak memory MiB")
    rows = [
        (
            _cell(codec.name),
            _cell(codec.version),
            _cell(codec.settings),
            _number(codec.parameters, ","),
            _number(codec.encode_kmac_per_px, ".1f"),
            _number(codec.decode_kmac_per_px, ".1f"),
            _number(None if codec.peak_memory_bytes is None else codec.peak_memory_bytes / _MIB, ".0f"),
        )
        for codec in codecs
    ]
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table; figures stand to the right."""
    rule = [":--" if head in _TEXT_COLUMNS else "--:" for head in heads]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    """Text on one line, with nothing that would end its cell."""
    return _line(text).replace("|", "\\|")
