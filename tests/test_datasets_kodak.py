import os

import pytest

from lcodec.datasets.kodak import checksums, kodak

NAMES = [f"kodim{number:02}.png" for number in range(1, 25)]


def test_checksums():
    assert list(checksums()) == NAMES
    assert len(set(checksums().values())) == 24
    assert all(len(bytes.fromhex(digest)) == 32 for digest in checksums().values())


def test_absent_pictures_say_what_to_download(tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="24 of the 24 Kodak pictures are absent") as caught:
        kodak()
    for part in (
        "r0k.us/graphics/kodak",
        "kodim01.png ... kodim24.png",
        str(tmp_path / "kodak"),
        "kodak.sha256",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_bytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path))
    (tmp_path / "kodak").mkdir()
    for name in NAMES:
        (tmp_path / "kodak" / name).write_bytes(b"not a photograph")
    with pytest.raises(ValueError, match=r"kodim01\.png is not the original"):
        kodak()


@pytest.mark.skipif("LCODEC_DATA" not in os.environ, reason="needs the Kodak pictures: set LCODEC_DATA")
def test_kodak():
    paths = kodak()
    assert [path.name for path in paths] == NAMES
