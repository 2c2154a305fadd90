import hashlib

import pytest
from checks import picture
from PIL import Image

from lcodec.datasets.pack import Settings, pack
from lcodec.datasets.photographs import Photograph, photographs, split_photographs
from lcodec.datasets.split import split


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "train"
    folder.mkdir()
    rows = ["path,sha256,licence"]
    for number in range(60):
        path = folder / f"{number:02}.png"
        Image.fromarray(picture(16, 20, number)).save(path)
        if number % 2:
            rows.append(f"train/{path.name},{hashlib.sha256(path.read_bytes()).hexdigest()},licence {number}")
    (folder.parent / "MANIFEST.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def packed(plain, tmp_path):
    pack(plain, tmp_path / "packed", Settings(shard_bytes=20_000, min_side_px=16), ())
    return tmp_path / "packed"


def test_plain_folder(plain):
    found = photographs(str(plain))
    assert [photograph.name for photograph in found] == [f"{number:02}.png" for number in range(60)]
    assert [photograph.licence for photograph in found[:4]] == ["", "licence 1", "", "licence 3"]
    for photograph in found:
        assert photograph.data == (plain / photograph.name).read_bytes()
        assert photograph.digest == hashlib.sha256(photograph.data).hexdigest()


def test_packing_changes_nothing(plain, packed):
    assert len(list(packed.glob("*.tar"))) > 2
    assert photographs(packed) == photographs(plain)


def test_split_is_that_of_the_files(plain, packed):
    train, validation = split_photographs(photographs(packed))
    assert [[p.name for p in part] for part in (train, validation)] == [[p.name for p in part] for part in split(plain)]
    assert train
    assert validation
    assert split_photographs([]) == ([], [])


def test_split_goes_by_the_file_before_packing(tmp_path):
    """A picture that was scaled down keeps the digest of its source."""
    (tmp_path / "in").mkdir()
    Image.fromarray(picture(64, 64)).save(tmp_path / "in" / "a.jpg", quality=80)
    pack(tmp_path / "in", tmp_path / "out", Settings(min_side_px=16), ())
    (source,), (found,) = photographs(tmp_path / "in"), photographs(tmp_path / "out")
    assert found.data != source.data
    assert found == Photograph("a.jpg", source.digest, found.data, "")


def test_shards_may_be_absent(plain, packed):
    whole = photographs(packed)
    shards = sorted(packed.glob("*.tar"))
    shards[0].unlink()
    part = photographs(packed)
    assert 0 < len(part) < len(whole)
    assert set(part) < set(whole)
    for shard in shards[1:]:
        shard.unlink()
    with pytest.raises(ValueError, match=rf"packed holds none of the {len(shards)} shards that its manifest lists"):
        photographs(packed)


def test_one_damaged_shard_spoils_the_set(packed):
    path = sorted(packed.glob("*.tar"))[-1]
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(ValueError, match=rf"{path.name} is damaged"):
        photographs(packed)


def test_no_photographs(tmp_path):
    with pytest.raises(ValueError, match="no pictures in"):
        photographs(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        photographs(tmp_path / "absent")
