"""The report of a benchmark: text for the terminal, or a folder with everything."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ...datasets.curves import Curve
from ...formats.files import write_output
from .comparison import compared, tested_codec
from .equal_rate import Triple, equal_rate
from .page import as_page
from .rd_plots import rd_plot, speed_plot
from .results import Results
from .subjects import find_subject
from .tables import as_csv, as_markdown


def as_text(results: Results, curves: Sequence[Curve]) -> str:
    """Markdown: BD-rates, points, costs."""
    return as_markdown(results, compared(results, curves))


def write_report(
    results: Results,
    curves: Sequence[Curve],
    paths: Sequence[Path],
    folder: Path,
    progress: Callable[[int, int, str], None],
) -> None:
    """Make `folder`, with results.json, samples.csv, report.md, the plots as PNG and SVG, and report.html.

    The page has every picture of `paths` by a model of ours and by another codec at equal rate, where both were
    measured; they are coded for it. Raises LcodecError if a file cannot be written.
    """
    comparisons = compared(results, curves)
    drawn = replace(results, codecs=tuple(codec for codec in results.codecs if codec.comparable))
    triples = _triples(drawn, paths, progress)
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
    write("report.html", as_page(results, comparisons, curves, triples))


def _triples(results: Results, paths: Sequence[Path], progress: Callable[[int, int, str], None]) -> list[Triple]:
    """Every picture by the tested model and, preferably, AVIF."""
    tested = tested_codec(results)
    others = [codec.name for codec in results.codecs if codec.kind == "anchor"]
    if tested is None or tested.kind != "lcodec" or not others:
        return []
    ours = find_subject(tested.name)
    other = find_subject(next((name for name in others if name.startswith("avif")), others[0]))
    triples = []
    for done, path in enumerate(paths, 1):
        triples.append(equal_rate(path, ours, other))
        progress(done, len(paths), f"{path.name} at equal rate")
    return triples
