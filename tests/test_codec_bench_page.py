"""The benchmark's page in a browser: its script runs without an error and draws everything."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest
from bench_example import CURVES, RESULTS, triples

from lcodec.codec.evaluation.comparison import compared
from lcodec.codec.evaluation.page import as_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=4000",
    "--dump-dom",
)
COMPARISONS = compared(RESULTS, CURVES)

# Bound to one processor, Chromium's helpers were seen to hold it for themselves, at real-time priority, for ever.
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH"),
    pytest.mark.skipif(PROCESSORS == 1, reason="one processor is too few for a browser"),
]


def rendered(page, folder):
    """The page's elements as a browser leaves them, without the texts of its scripts and styles."""
    (folder / "report.html").write_text(page, encoding="utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", (folder / "report.html").as_uri()]
    # Its helpers outlive it and would hold a pipe open for ever: a file, and a session that is ended as one.
    with (folder / "dom.html").open("wb") as out:
        browser = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            assert browser.wait(timeout=100) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
    dom = (folder / "dom.html").read_text(encoding="utf-8")
    return re.sub(r"(<(script|style)\b[^>]*>).*?(</\2>)", r"\1\3", dom, flags=re.DOTALL)


@pytest.fixture(scope="module")
def dom(tmp_path_factory):
    return rendered(as_page(RESULTS, COMPARISONS, CURVES, triples()), tmp_path_factory.mktemp("page"))


def section(dom, name):
    return re.search(rf'<section id="{name}".*?</section>', dom, flags=re.DOTALL)[0]


def rows(table):
    """The text of a table's cells, row by row."""
    found = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in found]


def test_everything_is_drawn(dom):
    assert 'data-state="ready"' in dom
    assert '<b id="injected"' not in dom and "<title>lcodec on holiday</title>" in dom
    figures = re.findall(r"<figure>.*?</figure>", dom, flags=re.DOTALL)
    assert [figure.count('class="line"') for figure in figures] == [6, 0]  # three codecs, three curves
    assert [figure.count('class="dot"') for figure in figures] == [3 * 4 + 3 + 2 + 1, 3]
    assert section(dom, "rd").count("aria-pressed") == 6
    assert "NaN" not in dom and "undefined" not in dom and "null" not in dom


def test_tables_have_the_figures(dom):
    bd = rows(section(dom, "bd"))
    assert [row[0] for row in bd[1:4]] == ["jpeg-420", '&lt;/script&gt;&lt;b id="injected"&gt;&amp;amp;|&lt;!--', "vtm"]
    assert bd[1][1] == f"\N{MINUS SIGN}{-COMPARISONS[0].deltas.percent:.2f} %"
    assert bd[4][1] == COMPARISONS[3].reason
    costs = rows(section(dom, "costs"))
    assert costs[2] == ["base", "1.0", "quality swept", "1,234,567", "73.3", "88.5", "900"]
    assert "vtm needs a program that is not here" in section(dom, "costs")
    assert "lcodec bench holiday --out report" in section(dom, "run")


def test_pictures_lie_under_a_divider(dom):
    pictures = section(dom, "pictures")
    assert 'role="slider"' in pictures and 'aria-valuenow="50"' in pictures
    assert re.findall(r"<option.*?>(.*?)</option>", pictures) == ["a.png", "b.png"]
    assert pictures.count('src="data:image/webp;base64,') == 2 and "clip-path: inset(0px 100px 0px 0px)" in pictures
    assert "1,234 bytes, 0.494 bpp, 33.25 dB" in pictures and "1,250 bytes, 0.500 bpp, unchanged" in pictures


def test_without_pictures_and_comparisons_those_sections_are_hidden(tmp_path):
    dom = rendered(as_page(RESULTS, (), (), ()), tmp_path)
    assert 'data-state="ready"' in dom
    assert re.search(r'<section id="pictures"[^>]* hidden', dom) and re.search(r'<section id="bd"[^>]* hidden', dom)
