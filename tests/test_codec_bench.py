"""The benchmark on a folder of ordinary pictures: what it measures, keeps, compares and refuses."""

import json
import shutil

import numpy as np
import pytest
import torch
from checks import assert_one_line_error, picture, run_cli

from lcodec.codec.evaluation import measure, run
from lcodec.codec.evaluation.anchor_codecs import ANCHOR_CODECS
from lcodec.codec.evaluation.equal_rate import equal_rate
from lcodec.codec.evaluation.extra_curves import read_curves
from lcodec.codec.evaluation.network_costs import network_costs
from lcodec.codec.evaluation.peak_memory import peak_memory_bytes
from lcodec.codec.evaluation.results import Results
from lcodec.codec.evaluation.run import Request, run_bench
from lcodec.codec.evaluation.subjects import SHORT_NAMES, find_subject, find_subjects
from lcodec.codec.evaluation.test_sets import find_test_set
from lcodec.codec.training.roofline import count_macs
from lcodec.formats.picture_writing import write_picture


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, size in enumerate([(170, 180), (200, 161)]):
        (folder / f"{seed}.png").write_bytes(write_picture(picture(*size, seed), ".png"))
    return folder


@pytest.fixture
def bench(folder, tmp_path):
    """Run the command on the folder; results that were measured stay from call to call."""
    environment = {"LCODEC_HOME": str(tmp_path / "home"), "LCODEC_DATA": ""}

    def call(*arguments, of=folder):
        # One thread: two beside other busy processes can be ten times as slow.
        return run_cli("bench", of, "--threads", 1, *arguments, environment=environment)

    return call


@pytest.fixture
def no_costs(monkeypatch):
    """Without the figures that take a process or a large picture each."""
    monkeypatch.setattr(run, "peak_memory_bytes", lambda *_: None)
    monkeypatch.setattr(run, "network_costs", lambda _: None)


def request(folder, **changes):
    return Request(find_test_set(str(folder)), ("tiny", "jpeg"), "a test", most_qualities=3, **changes)


def silent(*_):
    pass


def test_json_states_what_was_measured(bench):
    done = bench("--codecs", "tiny,JPEG,vtm", "--qualities", "10,60,90", "--json")
    assert done.returncode == 0, done.stderr.decode()
    results = Results.from_json(done.stdout.decode())
    ours, jpeg = results.codecs
    assert (ours.name, ours.kind, jpeg.name, jpeg.kind) == ("tiny", "lcodec", "jpeg-420", "anchor")
    assert [sample.quality for sample in ours.samples] == [10, 60, 90] * 2 and len(jpeg.samples) == 2 * 9
    for sample in (*ours.samples, *jpeg.samples):
        assert sample.file_bytes > 60 and 10 < sample.psnr_db < 60 and 0 < sample.ms_ssim < 1 and 0 < sample.ssim < 1
        assert sample.encode_seconds > 0 and sample.decode_seconds > 0
    assert 20e6 < jpeg.peak_memory_bytes < ours.peak_memory_bytes
    assert ours.parameters > 10_000 and ours.decode_kmac_per_px > 0.1 and jpeg.parameters is None
    absent = [line.split()[0] for line in results.absent]
    assert len(absent) == len(set(absent)) <= 5
    assert not {"tiny", "jpeg-420", "webp-m6", "avif-aom-s6", "jxl-e7"} & set(absent)
    assert any("vtm-444 is absent" in line for line in results.absent) or any(
        map(shutil.which, ("EncoderApp", "EncoderAppStatic"))
    )
    assert results.dataset == "pictures" and "bench" in results.command
    points = results.points(ours)
    assert [p.quality for p in points] == [10, 60, 90] and points[0].bpp < points[1].bpp < points[2].bpp


def test_an_interrupted_run_goes_on_where_it_stood(folder, tmp_path, monkeypatch, no_costs):
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path / "home"))
    measured = []

    def counted(subject, pixels, name, quality):
        measured.append((subject.name, name, quality))
        return original(subject, pixels, name, quality)

    original = measure._measured
    monkeypatch.setattr(measure, "_measured", counted)

    def stop(done, count, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench(request(folder), stop)
    assert len(measured) == 3
    first = run_bench(request(folder), silent)
    assert len(measured) == 12 and len(set(measured)) == 12
    (folder / "0.png").rename(folder / "other name.png")
    again = run_bench(request(folder), silent)
    assert len(measured) == 12
    assert {s.picture for s in again.codecs[0].samples} == {"1.png", "other name.png"}
    assert [first.points(c) for c in first.codecs] == [again.points(c) for c in again.codecs]
    for path in (tmp_path / "home" / "bench").rglob("*.json"):
        path.write_text("{")
    run_bench(request(folder), silent)
    run_bench(request(folder, fresh=True), silent)
    assert len(measured) == 36


def test_processes_side_by_side_find_the_same(folder, tmp_path, monkeypatch, no_costs):
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path / "home"))
    one, two = (run_bench(request(folder, jobs=jobs), silent) for jobs in (1, 2))
    for a, b in zip(one.codecs, two.codecs, strict=True):
        assert [(s.picture, s.quality, s.file_bytes, s.psnr_db) for s in a.samples] == [
            (s.picture, s.quality, s.file_bytes, s.psnr_db) for s in b.samples
        ]


def test_text_for_people_and_comparison_with_an_earlier_run(bench, tmp_path):
    first = bench("--codecs", "tiny", "--qualities", "20,50", "--json")
    (tmp_path / "run.json").write_bytes(first.stdout)
    done = bench("--codecs", "tiny", "--qualities", "20,50", "--curves", tmp_path / "run.json")
    assert done.returncode == 0, done.stderr.decode()
    assert b"0.0" in done.stdout and b"tiny" in done.stdout


def test_report_folder(bench, tmp_path):
    done = bench("--codecs", "tiny,jpeg", "--quick", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr.decode()
    names = {path.name for path in (tmp_path / "report").iterdir()}
    plots = {f"{name}.{suffix}" for name in ("rate-distortion", "speed") for suffix in ("png", "svg")}
    assert names == {"results.json", "samples.csv", "report.md", "report.html", *plots}
    assert Results.from_json((tmp_path / "report" / "results.json").read_text()).codecs[1].name == "jpeg-420"
    assert_one_line_error(bench("--codecs", "tiny", "--quick", "--out", tmp_path / "report"))


def test_wrong_inputs_get_one_line(bench, folder, tmp_path):
    (tmp_path / "odd.json").write_text('{"curve": {"bpp": [1, "2"], "psnr_db": [30, 31]}}')
    for arguments in (
        ("--codecs", "gif"),
        ("--codecs", "tiny", "--curves", folder / "0.png"),
        ("--codecs", "tiny", "--curves", tmp_path / "odd.json"),
        ("--codecs", "tiny", "--qualities", "101"),
    ):
        assert_one_line_error(bench(*arguments))
    done = bench("--codecs", "tiny", "--quick", "--peers", tmp_path / "odd.json")
    assert done.returncode == 1 and done.stdout == b"" and b"odd.json: not the JSON of a benchmark" in done.stderr
    for place in (tmp_path / "nowhere", tmp_path / "home", "kodak", "clic-mobile"):
        assert_one_line_error(bench("--codecs", "tiny", of=place))


def test_curves_by_hand(tmp_path):
    path = tmp_path / "curves.json"
    path.write_text(json.dumps({"mine": {"bpp": [0.5, 1], "psnr_db": [30, 33.5], "source": "a paper"}}))
    (curve,) = read_curves(path)
    assert (curve.name, curve.bpp, curve.psnr_db, curve.source) == ("mine", (0.5, 1.0), (30.0, 33.5), "a paper")


def test_short_names_are_those_of_real_codecs():
    names = {codec.name for codec in ANCHOR_CODECS}
    assert set(SHORT_NAMES.values()) <= names and not names & set(SHORT_NAMES)
    subjects, absent = find_subjects(["jpeg", "JPEG-420", "tiny", "webp"], "cpu")
    assert [subject.name for subject in subjects] == ["jpeg-420", "tiny", "webp-m6"] and absent == []
    with pytest.raises(ValueError, match="no codec 'gif' to measure; there are: tiny, base,"):
        find_subject("gif")


def test_a_part_of_a_set_has_no_published_curves(folder):
    whole = find_test_set(str(folder))
    assert whole.first(2) is whole
    assert whole.first(1).name == "pictures (1 of 2 pictures)" and len(whole.first(1).paths) == 1
    assert whole.digest != whole.first(1).digest


def test_pictures_at_equal_rate(folder):
    triple = equal_rate(folder / "0.png", find_subject("tiny"), find_subject("jpeg"))
    assert 0.8 * triple.other_bytes < triple.ours_bytes <= triple.other_bytes
    assert all(data[:4] == b"RIFF" for data in (triple.original, triple.ours, triple.other))
    assert (triple.width_px, triple.height_px) == (180, 170) and triple.ours_psnr_db > 15


def test_a_codec_that_fails_names_itself_and_the_picture(folder, monkeypatch):
    (folder / "0.png").write_bytes(write_picture(picture(1, 1), ".png"))
    with pytest.raises(ValueError, match=r"0\.png: svtav1-p4-420 cannot code a picture of 1 x 1"):
        run_bench(Request(find_test_set(str(folder)), ("svt-av1",), "a test", fresh=True), silent)


def test_costs_are_counted():
    layer = torch.nn.Conv2d(4, 6, 3, padding=1)
    with torch.inference_mode():
        assert count_macs(lambda: layer(torch.zeros(1, 4, 5, 7))) == 6 * 5 * 7 * 4 * 9
        assert count_macs(lambda: torch.zeros(3, 4) @ torch.zeros(2, 4, 5)) == 2 * 3 * 4 * 5
    tiny, base = network_costs("tiny"), network_costs("base")
    assert tiny.parameters < base.parameters and tiny.decode_kmac_per_px < base.decode_kmac_per_px < 50


def test_peak_memory_grows_with_the_picture(tmp_path):
    peaks = []
    for side in (16, 1500):
        path = tmp_path / f"{side}.png"
        path.write_bytes(write_picture(np.zeros((side, side, 3), np.uint8), ".png"))
        peaks.append(peak_memory_bytes("jpeg", "cpu", 1, path, 50))
    assert peaks[1] > peaks[0] + 3 * 1500**2
    assert peak_memory_bytes("jpeg", "cpu", 1, tmp_path / "absent.png", 50) is None


def test_machine_is_named():
    assert "Python" in run._machine()
