"""The report of a benchmark: text for the terminal, or a folder with everything."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...datasets.curves import Curve
from ...formats.files import write_output
from .comparison import compared
from .rd_plots import rd_plot, speed_plot
from .results import Results
from .tables import as_csv, as_markdown


def as_text(results: Results, curves: Sequence[Curve]) -> str:
    """Markdown: BD-rates, points, costs."""
    return as_markdown(results, compared(results, curves))


def write_report(results: Results, curves: Sequence[Curve], folder: Path) -> None:
    """Make `folder`, with results.json, samples.csv, report.md, and the plots as PNG and SVG.

    Raises LcodecError if a file cannot be written.
    """
    comparisons = compared(results, curves)
    drawn = replace(results, codecs=tuple(codec for codec in results.codecs if codec.comparable))
    folder.mkdir(parents=True)

    def write(name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        write_output(str(folder / name), data, overwrite=False)

    write("results.json", results.to_json())
    write("samples.csv", as_csv(results))
    write("report.md", as_markdown(results, comparisons))
    for suffix in (".png", ".svg"):
        write(f"rate-distortion{suffix}", rd_plot(drawn, curves, suffix))
        write(f"speed{suffix}", speed_plot(drawn, comparisons, suffix))
