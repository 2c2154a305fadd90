"""The benchmark command on a folder of ordinary pictures, and its comparison with the anchor curves."""

import json

import pytest
from checks import assert_one_line_error, picture, run_cli

from lcodec.codec.evaluation.bench import KODAK_ANCHORS, Bench, Point, compared
from lcodec.codec.evaluation.report import as_table
from lcodec.datasets.curves import anchor
from lcodec.formats.pictures import write_picture


@pytest.fixture
def folder(tmp_path):
    for seed, size in enumerate([(170, 180), (200, 161)]):
        (tmp_path / f"{seed}.png").write_bytes(write_picture(picture(*size, seed), ".png"))
    return tmp_path


def test_json_states_what_was_measured(folder):
    done = run_cli("bench", folder, "-m", "tiny", "--qualities", "10,60,90", "--json")
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["n_images"] == 2 and [p["quality"] for p in result["points"]] == [10, 60, 90]
    assert all(p["bpp"] > 0 and p["psnr_db"] > 10 and 0 < p["ms_ssim"] < 1 for p in result["points"])
    assert all(p["encode_seconds"] > 0 and p["decode_seconds"] > 0 for p in result["points"])
    assert result["comparisons"] == []  # these are not the anchors' pictures


def test_table_for_people_and_comparison_with_an_earlier_run(folder, tmp_path):
    earlier = run_cli("bench", folder, "-m", "tiny", "--qualities", "20,50", "--json").stdout
    (tmp_path / "run.json").write_bytes(earlier)
    done = run_cli("bench", folder, "-m", "tiny", "--qualities", "20,50", "--against", tmp_path / "run.json")
    assert done.returncode == 0, done.stderr.decode()
    assert b"| 50 |" in done.stdout and b"on 2 pictures" in done.stdout and b"+0.0 %" in done.stdout


def test_wrong_inputs_get_one_line(folder, tmp_path):
    assert_one_line_error(run_cli("bench", folder, "-m", "tiny", "--against", tmp_path / "0.png"))
    assert_one_line_error(run_cli("bench", tmp_path / "nowhere", "-m", "tiny"))


def test_an_anchor_compared_with_itself_is_zero():
    curve = anchor("vtm", "kodak")
    points = tuple(Point(0.0, bpp, psnr, None, 0.1, 0.1) for bpp, psnr in zip(curve.bpp, curve.psnr_db, strict=True))
    bench = Bench("kodak", 24, "tiny", "0" * 16, "here", points, ())
    bench = compared(bench, [anchor(name, "kodak") for name in KODAK_ANCHORS])
    percents = {c.curve.name: c.bd.percent for c in bench.comparisons}
    assert percents["vtm"] == pytest.approx(0, abs=1e-6)
    assert percents["av1"] < 0 and percents["jpeg-420"] < -60
    assert "| vtm |" in as_table(bench)
