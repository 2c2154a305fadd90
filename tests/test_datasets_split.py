import hashlib
import json
import os

import pytest

from lcodec.datasets.split import digests, is_validation, split


def _fill(folder, count=200):
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(b"%d" % number)


def test_is_validation():
    assert is_validation("0c" + "f" * 62)
    assert not is_validation("0d" + "0" * 62)


def test_split_is_by_content(tmp_path):
    _fill(tmp_path)
    train, validation = split(tmp_path)
    held_out = [n for n in range(200) if hashlib.sha256(b"%d" % n).digest()[0] < 13]
    assert 0 < len(held_out) < 30
    assert [int(path.stem) for path in validation] == held_out
    assert sorted(train + validation) == sorted(tmp_path.iterdir())
    validation[0].rename(tmp_path / "renamed.png")
    assert tmp_path / "renamed.png" in split(tmp_path)[1]


def test_cache_gives_the_same_split(tmp_path):
    folder, cache = tmp_path / "pictures", tmp_path / "cache.json"
    folder.mkdir()
    _fill(folder, 40)
    plain = split(folder)
    assert split(folder, cache) == plain
    first = cache.read_bytes()
    assert split(folder, cache) == plain
    assert cache.read_bytes() == first
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "cache.json"}


def test_cache_is_used_while_a_file_is_unchanged(tmp_path):
    folder, cache = tmp_path / "pictures", tmp_path / "cache.json"
    folder.mkdir()
    picture = folder / "a.png"
    picture.write_bytes(b"before")
    digests(folder, cache)
    status = picture.stat()
    stored = "0" * 64
    cache.write_text(json.dumps({"a.png": [status.st_size, status.st_mtime_ns, stored]}))
    assert digests(folder, cache) == {picture: stored}
    picture.write_bytes(b"after!")  # same size
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert digests(folder, cache) == {picture: hashlib.sha256(b"after!").hexdigest()}
    assert digests(folder, cache) == digests(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{", '{"a.png": 3}', '{"a.png": [1, 2, "zz"]}', '{"a.png": [6, 0, 7]}', "\x00"],
)
def test_broken_cache_is_written_anew(text, tmp_path):
    folder, cache = tmp_path / "pictures", tmp_path / "cache.json"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"before")
    cache.write_text(text)
    assert digests(folder, cache) == digests(folder)
    assert "a.png" in json.loads(cache.read_text())


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no pictures"):
        split(tmp_path)
