import hashlib
import shutil
import sys
from io import BytesIO

import pytest
from checks import ROOT, picture
from PIL import Image

from lcodec.datasets.similar import TestPictures

KODIM23 = ROOT / "tests" / "kodim23.png"


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folders = [tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")]
    shutil.copy(KODIM23, folders[0])
    for seed in range(3):
        Image.fromarray(picture(90, 120, seed)).save(folders[1] / f"{seed}.png")
    return TestPictures(folders)


def compressed(image, quality):
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def test_all_folders_are_known(known):
    assert len(known) == 4
    assert known.same_file(hashlib.sha256(KODIM23.read_bytes()).hexdigest()) == "kodim23.png"
    assert known.same_file("0" * 64) is None


@pytest.mark.parametrize("turn", [None, *Image.Transpose])
def test_turned_and_damaged_copies_are_found(turn, known):
    image = Image.open(KODIM23)
    image = image.resize((image.width // 3, image.height // 3))
    image = compressed(image if turn is None else image.transpose(turn), 15)
    for copy in (image, image.convert("L")):
        neighbour = known.nearest(copy)
        assert neighbour.test_picture == "kodim23.png"
        assert neighbour.distance_bits <= 6
        assert neighbour.is_copy


def test_other_pictures_are_not(known):
    assert not known.nearest(Image.fromarray(picture(300, 400, 17))).is_copy


def test_strong_crops_are_not_found(known):
    """A limit of the method, stated in the module; not a wish."""
    image = Image.open(KODIM23)
    assert not known.nearest(image.crop((0, 0, image.width // 2, image.height // 2))).is_copy


def test_unreadable_test_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"test picture .*a\.png cannot be read"):
        TestPictures([tmp_path])


def test_without_imagehash_the_error_says_what_to_install(tmp_path, monkeypatch):
    shutil.copy(KODIM23, tmp_path)
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(ImportError, match=r"pip install 'lcodec\[train\]'"):
        TestPictures([tmp_path])
