"""The ruler of clips: real files, their size and their quality, in a report that can be gone on with."""

import json

import numpy as np
import pytest
from checks import run_cli
from clips import moving_frames, write_clip

from lcodec.codec.evaluation.video_bench import Point, find_clips, percents
from lcodec.codec.evaluation.video_codecs import Clip, codecs_named
from lcodec.codec.evaluation.video_metrics import MOST_DB, frame_scores
from lcodec.formats.clip_records import HALVED, Picture


def test_scores_are_what_they_are_by_hand():
    picture = Picture(32, 16, 10, HALVED, matrix=1)
    rng = np.random.default_rng(0)
    sizes = ((16, 32), (8, 16), (8, 16))
    original = tuple(rng.integers(300, 600, size).astype(np.uint16) for size in sizes)
    decoded = (original[0] + 4, original[1] - 2, original[2])
    scores = frame_scores(picture, decoded, original)
    y, u = 20 * np.log10(1023 / 4), 20 * np.log10(1023 / 2)
    assert scores.yuv_db == pytest.approx((6 * y + u + MOST_DB) / 8)
    assert scores.ms_ssim is None and 30 < scores.rgb_db < 60
    assert frame_scores(picture, original, original).rgb_db == MOST_DB


def test_bd_rate_clip_by_clip():
    def point(clip, codec, rate, db):
        return Point(clip, codec, "", "", 0, 1, rate, db, db, None, 1, 1, 1, (), ())

    points = [point(c, k, r * f, 30 + r) for c in "ab" for k, f in (("x", 1), ("y", 0.5)) for r in (1, 2, 4, 8)]
    assert percents(points, "y", "x", "yuv_db") == pytest.approx({"a": -50, "b": -50})
    assert percents(points, "y", "x", "ms_ssim") == {}


@pytest.mark.parametrize("name", ["x264-medium", "x265-medium", "svt-av1-medium"])
def test_other_codecs_give_all_frames_back(tmp_path, name):
    write_clip(tmp_path / "a.mkv", moving_frames(96, 128, 9))
    clip = Clip.read(str(tmp_path / "a.mkv"), 8)
    (codec,) = codecs_named([name])
    low, high = (codec.run(clip, quality, 1) for quality in (codec.qualities[0], codec.qualities[-1]))
    assert low.file_bytes < high.file_bytes
    for coded in (low, high):
        assert len(coded.planes) == len(coded.frame_bytes) == 8
        assert abs(sum(coded.frame_bytes) - coded.file_bytes) < 1500
        for planes, frame in zip(coded.planes, clip.frames, strict=True):
            assert [p.shape for p in planes] == [p.shape for p in frame.planes]
    best = [frame_scores(clip.picture, p, f.planes).yuv_db for p, f in zip(high.planes, clip.frames, strict=True)]
    assert min(best) > 33
    with pytest.raises(ValueError, match="no codec of clips"):
        codecs_named(["nonsense"])


def test_a_run_makes_a_report_and_goes_on(tmp_path):
    write_clip(tmp_path / "a.mkv", moving_frames(64, 80, 4))
    arguments = ("bench", tmp_path, "--codecs", "lcodec,x264-medium", "--qualities", "10,50,90", "--frames", "3")
    done = run_cli(*arguments, "--out", tmp_path / "report", "--threads", "1")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report" / "report.md").read_text()
    assert "**mean**" in text and "x264-medium" in text
    points = json.loads((tmp_path / "report" / "points.json").read_text())
    assert len(points) == 3 + 5
    assert all(point["frames"] == 3 and len(point["frame_bytes"]) == 3 for point in points.values())
    for plot in ("rate-distortion.svg", "rate-over-time.svg"):
        assert (tmp_path / "report" / plot).read_bytes().startswith(b"<?xml")
    before = (tmp_path / "report" / "points.json").stat().st_mtime_ns
    assert run_cli(*arguments, "--out", tmp_path / "report", "--threads", "1").returncode == 0
    assert (tmp_path / "report" / "points.json").stat().st_mtime_ns == before  # nothing was measured again
    assert b"--out" in run_cli(*arguments).stderr


def test_a_folder_without_clips(tmp_path):
    with pytest.raises(ValueError, match="no clips"):
        find_clips(tmp_path)
