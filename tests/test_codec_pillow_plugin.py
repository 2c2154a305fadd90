"""Pillow's own functions on .lcc files."""

import numpy as np
import pytest
from checks import GOLDEN, picture, run_python
from PIL import Image, UnidentifiedImageError

import lcodec


@pytest.fixture
def registered(monkeypatch):
    for name in ("OPEN", "SAVE", "EXTENSION", "MIME"):
        monkeypatch.setattr(Image, name, dict(getattr(Image, name)))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    lcodec.register_pillow()
    lcodec.register_pillow()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_picture_is_saved_and_opened(mode, registered, tmp_path):
    image = Image.fromarray(picture(30, 40)).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(picture(30, 40)[..., 0]))
    image.getexif()[0x0112] = 3
    path = tmp_path / "a.lcc"
    image.save(path, quality=60, model="tiny")
    with Image.open(path) as found:
        assert (found.format, found.size, found.mode, found.get_format_mimetype()) == (
            "LCODEC",
            (40, 30),
            mode,
            "image/x-lcodec",
        )
        assert found.getexif()[0x0112] == 3
        assert np.array_equal(np.asarray(found), lcodec.decode(path.read_bytes()))
    assert lcodec.info(path.read_bytes()).quality == 60


def test_a_region_and_a_thumbnail(registered):
    path = GOLDEN / "large-q100.lcc"
    expected = lcodec.decode(path.read_bytes())
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image.crop((10, 20, 30, 50))), expected[20:50, 10:30])
        image.thumbnail((32, 32))
        assert max(image.size) == 32


def test_bad_files_raise_what_pillow_raises(registered, tmp_path):
    data = bytearray((GOLDEN / "large-q100.lcc").read_bytes())
    path = tmp_path / "cut.lcc"
    path.write_bytes(data[:-9])
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
    data[13] ^= 1
    with pytest.raises(OSError, match="cannot identify"):
        path.write_bytes(data)
        Image.open(path)
    with pytest.raises(OSError, match="more than 8 bits"):
        Image.new("F", (3, 3)).save(tmp_path / "deep.lcc", model="tiny")


def test_importing_lcodec_registers_nothing():
    code = "import lcodec, lcodec.codec.api; from PIL import Image; Image.init(); print('.lcc' in Image.EXTENSION)"
    assert run_python("-c", code).stdout.decode().strip() == "False"
