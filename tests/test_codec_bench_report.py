"""What a benchmark's report says: comparisons, tables, plots, and the page as text."""

import csv
import io
import json
import re
from dataclasses import asdict, replace

import pytest
from bench_example import CURVES, NASTY, OURS, RESULTS, triples

from lcodec.codec.evaluation.bd_rate import bd_psnr, bd_rate
from lcodec.codec.evaluation.comparison import compared, relative_percents
from lcodec.codec.evaluation.comparison import tested_codec as codec_under_test  # pytest collects test*
from lcodec.codec.evaluation.page import as_page
from lcodec.codec.evaluation.rd_plots import rd_plot, speed_plot
from lcodec.codec.evaluation.tables import as_csv, as_markdown

COMPARISONS = compared(RESULTS, CURVES)
SHOWN = replace(RESULTS, codecs=RESULTS.codecs[:3])


def test_the_first_model_of_ours_is_compared_with_all_others():
    assert codec_under_test(RESULTS) is OURS
    rows = [(row.tested, row.reference, row.measured) for row in COMPARISONS]
    measured = [("base", "jpeg-420", True), ("base", NASTY, True)]
    assert rows == measured + [("base", curve.name, False) for curve in CURVES]


def test_comparisons_are_those_of_the_curves():
    ours = RESULTS.curve(OURS)
    references = [RESULTS.curve(RESULTS.codecs[0]), RESULTS.curve(RESULTS.codecs[2]), CURVES[0]]
    for row, reference in zip(COMPARISONS, references, strict=False):
        columns = reference.bpp, reference.psnr_db, ours.bpp, ours.psnr_db
        expected = bd_rate(*columns)
        deltas = row.deltas
        assert (deltas.percent, deltas.low_db, deltas.high_db) == (expected.percent, expected.low_db, expected.high_db)
        assert deltas.akima_percent == bd_rate(*columns, "akima").percent
        assert deltas.psnr_gain_db == bd_psnr(*columns).gain_db
        assert (row.digest, row.source, row.reason) == (reference.digest(), reference.source, "")
    assert COMPARISONS[0].deltas.percent == pytest.approx(-50, abs=0.1)  # half the bytes of jpeg-420


def test_curves_that_cannot_be_compared_have_a_reason():
    far_away, one_point = COMPARISONS[3:]
    assert far_away.deltas is None and "share no range of PSNR" in far_away.reason
    assert one_point.deltas is None and "needs two points" in one_point.reason


def test_without_a_range_of_rate_only_bd_psnr_is_missing():
    dear = replace(CURVES[0], bpp=(20.0, 40.0, 80.0))
    deltas = compared(RESULTS, [dear])[-1].deltas
    assert deltas.percent < -90 and deltas.psnr_gain_db is None


def test_without_a_codec_that_means_something_nothing_is_compared():
    alone = replace(RESULTS, codecs=RESULTS.codecs[3:])
    assert codec_under_test(alone) is None and compared(alone, CURVES) == () and relative_percents(alone, ()) == {}
    assert codec_under_test(replace(RESULTS, codecs=RESULTS.codecs[:1])).name == "jpeg-420"


def test_relative_percents_are_the_table_read_backwards():
    percents = relative_percents(RESULTS, COMPARISONS)
    ours, jpeg = RESULTS.curve(OURS), RESULTS.curve(RESULTS.codecs[0])
    assert set(percents) == {"base", "jpeg-420", NASTY} and percents["base"] == 0
    backwards = bd_rate(ours.bpp, ours.psnr_db, jpeg.bpp, jpeg.psnr_db).percent
    assert percents["jpeg-420"] == pytest.approx(backwards, rel=1e-9)


def test_markdown_says_all():
    text = as_markdown(RESULTS, COMPARISONS)
    lines = text.splitlines()
    for expected in (
        "# Benchmark on holiday",
        "- Pictures: 2 (digest 0123456789ab)",
        "- Machine: a processor, 4 logical processors, Linux; 4 threads a picture, 1 at a time",
        "- Version: lcodec 0.2.0, commit abc1234",
        "- Command: `lcodec bench holiday --out report`",
        "## BD-rate of base",
        "| 0 | 0.1600 | 26.000 | 27.000 | 0.90000 | 0.95000 | 0.2 | 0.3 | 0.1 | 0.15 |",
        "| base | 1.0 | quality swept | 1,234,567 | 73.2 | 88.5 | 900 |",
        "- random: random weights",
        "- vtm needs a program that is not here",
    ):
        assert expected in lines
    bd = {line.split(" | ")[0].strip("| "): line for line in lines if line.endswith(("this run |", "a paper |"))}
    assert f"{COMPARISONS[0].deltas.percent:+.2f} %" in bd["jpeg-420"]
    assert COMPARISONS[3].reason in bd["far-away"]
    assert "## random" not in lines  # its figures mean nothing
    tables = [line for line in lines if line.startswith("| ") and NASTY.split("|")[0] in line]
    assert tables and all("&amp;\\|<!--" in line for line in tables)


def test_csv_has_a_row_a_sample():
    rows = list(csv.DictReader(io.StringIO(as_csv(RESULTS), newline="")))
    assert len(rows) == sum(len(codec.samples) for codec in RESULTS.codecs)
    assert {row["codec"] for row in rows} == {codec.name for codec in RESULTS.codecs}
    sample = OURS.samples[0]
    mine = next(row for row in rows if row["codec"] == "base")
    assert mine == {"codec": "base", **{name: str(value) for name, value in asdict(sample).items()}}
    assert as_csv(RESULTS).count("\r\n") == len(rows) + 1


def test_plots_are_pictures_and_always_the_same():
    curves = [replace(CURVES[0], name="$not mathematics{$")]
    assert rd_plot(SHOWN, curves, ".png").startswith(b"\x89PNG\r\n")
    drawn = speed_plot(SHOWN, COMPARISONS, ".svg")
    assert drawn.startswith(b"<?xml") and b"<dc:date>" not in drawn
    assert drawn == speed_plot(SHOWN, COMPARISONS, ".svg")
    with pytest.raises(ValueError, match=r"not '\.jpg'"):
        rd_plot(SHOWN, (), ".jpg")


def test_page_needs_nothing_from_elsewhere():
    page = as_page(RESULTS, COMPARISONS, CURVES, triples())
    markup = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert not re.search(r"https?:|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|<script [^>]*src", markup)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", markup)
    assert "{{" not in markup


def test_page_holds_the_figures_whatever_the_names():
    page = as_page(RESULTS, COMPARISONS, CURVES, triples())
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    data = json.loads(found[0])
    assert len(found) == 1 and page.count("</script>") == 3 and NASTY not in page
    assert [codec["name"] for codec in data["codecs"]] == [codec.name for codec in RESULTS.codecs]
    assert data["codecs"][1]["points"] == [asdict(point) for point in RESULTS.points(OURS)]
    assert data["codecs"][3]["points"] == [] and data["codecs"][3]["relative_percent"] is None
    assert data["comparisons"] == [asdict(comparison) for comparison in COMPARISONS]
    assert data["curves"][0]["bpp"] == list(CURVES[0].bpp)
    original, ours, other = data["triples"][1]["images"]
    assert all(image["source"].startswith("data:image/webp;base64,UklGR") for image in (original, ours, other))
    assert (ours["bytes"], ours["psnr_db"], other["psnr_db"]) == (1234, 33.25, None)
