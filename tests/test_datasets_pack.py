import json
import shutil
from io import BytesIO

import pytest
from checks import ROOT, assert_one_line_error, picture, run_cli
from PIL import Image, ImageOps

from lcodec.datasets.pack import Settings, pack
from lcodec.datasets.photographs import photographs

KODIM23 = ROOT / "tests" / "kodim23.png"
SMALL = Settings(shard_bytes=60_000, min_side_px=32)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Pictures of all fates: packed as they are, scaled down, left out."""
    folder = tmp_path_factory.mktemp("mixed")
    for number in range(12):
        Image.fromarray(picture(64, 80, number)).save(folder / f"clean{number:02}.png")
    Image.fromarray(picture(150, 170, 20)).save(folder / "good.jpg", quality=92, subsampling=0)
    Image.fromarray(picture(150, 170, 21)).save(folder / "fair.JPG", quality=80)
    Image.fromarray(picture(150, 170, 22)).save(folder / "poor.jpeg", quality=30)
    Image.fromarray(picture(150, 170, 23)).save(folder / "lossy.webp", quality=90)
    Image.fromarray(picture(60, 60, 24)).save(folder / "camera.jpg", quality=85)
    Image.fromarray(picture(31, 90, 25)).save(folder / "narrow.png")
    shutil.copy(folder / "good.jpg", folder / "same.jpg")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    copy = ImageOps.mirror(Image.open(KODIM23)).resize((150, 100))
    copy.save(folder / "stray.jpg", quality=70)
    shutil.copy(KODIM23, folder / "exact.png")
    return folder


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tests")
    shutil.copy(KODIM23, folder)
    return folder


def fates(packed):
    stored = {picture.name: picture.done for shard in packed.shards for picture in shard.pictures}
    return stored, {row.name: row.reason for row in packed.excluded}


def test_each_picture_has_its_fate(mixed, tests, tmp_path):
    stored, excluded = fates(pack(mixed, tmp_path / "out", SMALL, [tests]))
    assert stored == {
        **{f"clean{number:02}.png": "original" for number in range(12)},
        "good.jpg": "original",
        "fair.JPG": "downscaled 2x from 170x150",
        "poor.jpeg": "downscaled 4x from 170x150",
        "lossy.webp.jpg": "downscaled 2x from 170x150",
    }
    assert excluded == {
        "broken.png": "unreadable",
        "camera.jpg": "too small after down-scaling",
        "exact.png": "copy of a test picture",
        "narrow.png": "too small",
        "same.jpg": "twice the same file",
        "stray.jpg": "copy of a test picture",
    }
    for photograph in photographs(tmp_path / "out"):
        with Image.open(BytesIO(photograph.data)) as image:
            assert image.format == {"png": "PNG"}.get(photograph.name[-3:], "JPEG")


def test_small_jpegs_can_be_kept(mixed, tests, tmp_path):
    settings = Settings(min_side_px=32, keep_small_jpeg=True)
    stored, _ = fates(pack(mixed, tmp_path / "out", settings, [tests]))
    assert stored["camera.jpg"] == "original (too small to be downscaled 2x)"
    assert stored["fair.JPG"] == "downscaled 2x from 170x150"


def test_the_manifest_names_both_pictures(mixed, tests, tmp_path):
    packed = pack(mixed, tmp_path / "out", SMALL, [tests])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    details = {row["name"]: row["detail"] for row in manifest["excluded"]}
    assert details["exact.png"] == "kodim23.png, the same file"
    assert details["stray.jpg"].startswith("kodim23.png, ")
    assert details["same.jpg"] == "good.jpg"
    check = manifest["settings"]["test_check"]
    assert (check["test_pictures"], check["max_distance_bits"]) == (1, 10)
    assert check["nearest"]["name"] == packed.nearest.name
    assert check["nearest"]["neighbour"]["distance_bits"] == packed.nearest.neighbour.distance_bits > 10
    assert str(tmp_path) not in json.dumps(manifest)


def test_without_a_check_test_pictures_are_packed(mixed, tmp_path):
    packed = pack(mixed, tmp_path / "out", SMALL, ())
    assert "copy of a test picture" not in fates(packed)[1].values()
    assert packed.nearest is None
    assert "not compared with any test set" in packed.as_lines()


def test_two_packs_have_equal_bytes(mixed, tests, tmp_path):
    other = tmp_path / "elsewhere"
    shutil.copytree(mixed, other, copy_function=shutil.copyfile)  # other times, other modes
    pack(mixed, tmp_path / "a", SMALL, [tests])
    pack(other, tmp_path / "b", SMALL, [tests])
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) > 2
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_sizes_are_kept(mixed, tmp_path):
    whole = pack(mixed, tmp_path / "whole", SMALL, ())
    part = pack(mixed, tmp_path / "part", Settings(60_000, limit_bytes=100_000, min_side_px=32), ())
    for shard in (*whole.shards, *part.shards):
        assert shard.size_bytes <= 60_000
    assert len(whole.shards) > 2
    assert sum(path.stat().st_size for path in (tmp_path / "part").glob("*.tar")) <= 100_000
    assert part.shards[0] == whole.shards[0]
    assert "over the limit" in fates(part)[1].values()


def test_a_picture_larger_than_a_shard_is_left_out(mixed, tmp_path):
    packed = pack(mixed, tmp_path / "out", Settings(shard_bytes=20_000, min_side_px=32), ())
    assert fates(packed)[1]["exact.png"] == "larger than a shard"


def test_a_name_that_is_taken(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.webp", "a.webp.jpg"):
        Image.fromarray(picture(64, 64, len(name))).save(tmp_path / "in" / name, quality=80)
    packed = pack(tmp_path / "in", tmp_path / "out", SMALL, ())
    assert list(fates(packed)[0]) == ["a.webp.jpg"]
    assert list(fates(packed)[1].values()) == ["name taken"]


def test_the_order_is_a_fair_sample(mixed, tmp_path):
    """Neither by name nor by digest, whose first byte decides the split."""
    packed = pack(mixed, tmp_path / "out", Settings(min_side_px=32), ())
    (shard,) = packed.shards
    for key in ("name", "source_sha256"):
        values = [getattr(picture, key) for picture in shard.pictures]
        assert values != sorted(values)


def test_nothing_is_left_behind(mixed, tests, tmp_path):
    with pytest.raises(
        ValueError, match=r"nothing in .* can be packed: 20 too small, 1 unreadable, 1 twice the same file"
    ):
        pack(mixed, tmp_path / "out", Settings(min_side_px=2000), [tests])
    with pytest.raises(ValueError, match="over the limit"):
        pack(mixed, tmp_path / "out", Settings(limit_bytes=2000), ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", [None, "", "empty"])
def test_no_test_set_is_an_error(root, mixed, tmp_path, monkeypatch):
    if root is None:
        monkeypatch.delenv("LCODEC_DATA", raising=False)
    else:
        monkeypatch.setenv("LCODEC_DATA", root and str(tmp_path))
    with pytest.raises(ValueError, match="name a folder with --test-set, or pass --no-test-set"):
        pack(mixed, tmp_path / "out", SMALL)


def test_the_kodak_pictures_are_the_default(mixed, tests, tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path))
    shutil.copytree(tests, tmp_path / "kodak")
    _, excluded = fates(pack(mixed, tmp_path / "out", SMALL))
    assert excluded["stray.jpg"] == "copy of a test picture"


def test_command(mixed, tests, tmp_path):
    arguments = ("data", "pack", mixed, "-o", tmp_path / "out", "--min-side", 32, "--shard-size", "60kB")
    done = run_cli(*arguments, "--limit", "1MB", "--test-set", tests, "--keep-small-jpeg")
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (0, b"")
    assert lines[0].startswith("lcodec: shard-000.tar: ")
    assert "lcodec: excluded: 2 copy of a test picture" in lines
    assert "nearest to a test picture: " in lines[-1]
    assert len(photographs(tmp_path / "out")) == 17
    again = run_cli(*arguments, "--no-test-set")
    assert_one_line_error(again)
    assert b"exists: not overwritten" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent", "-o", "out"), b"not a folder: absent"),
        ((".", "-o", "out"), b"no pictures in ."),
        (("mixed", "-o", "no/out"), b"cannot write no/out: no is not a folder"),
        (("mixed", "-o", "out", "--shard-size", "30 parsecs"), b"'30 parsecs' is not a size"),
        (("mixed", "-o", "out", "--limit", "0"), b"'0' is not a size"),
        (("mixed", "-o", "out", "--min-side", "2000"), b"too small"),
    ],
)
def test_command_fails_in_one_line(arguments, message, mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixed").symlink_to(mixed)
    done = run_cli("data", "pack", *arguments, "--no-test-set")
    assert_one_line_error(done)
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
