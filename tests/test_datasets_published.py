"""CLIC and Tecnick: found when whole, otherwise one line says what to download."""

import hashlib

import pytest

from lcodec.datasets import clic_mobile, clic_professional, tecnick
from lcodec.datasets.clic import CLIC_MOBILE, CLIC_PROFESSIONAL
from lcodec.datasets.published import digest
from lcodec.datasets.tecnick import TECNICK

SETS = {clic_professional: CLIC_PROFESSIONAL, clic_mobile: CLIC_MOBILE, tecnick: TECNICK}
every_set = pytest.mark.parametrize("find", SETS, ids=lambda find: find.__name__)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path))
    return tmp_path


def fill(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(name.encode())


@every_set
def test_what_is_known_of_a_set(find):
    known = SETS[find]
    assert known.names is None or len(set(known.names)) == known.n_images
    assert known.archive_sha256 is None or len(bytes.fromhex(known.archive_sha256)) == 32


@every_set
def test_a_whole_set_is_found(find, data):
    known = SETS[find]
    names = known.names or [f"{number:03}.png" for number in range(known.n_images)]
    fill(data / known.folder, names)
    assert [path.name for path in find()] == sorted(names)
    (data / known.folder / "one-more.png").write_bytes(b"")
    with pytest.raises(ValueError, match=f"in .* are {known.n_images + 1}:"):
        find()


@every_set
def test_an_absent_set_says_what_to_download(find, data):
    known = SETS[find]
    for prepare in (lambda: None, (data / known.folder).mkdir):
        prepare()
        with pytest.raises(ValueError) as caught:
            find()
        message = str(caught.value)
        for part in (known.source, known.folder, "LCODEC_DATA", known.archive_sha256 or "checksum is not known"):
            assert part in message
        assert "\n" not in message


def test_other_names_are_refused(data):
    fill(data / "tecnick", [f"other-{number:03}.png" for number in range(100)])
    with pytest.raises(ValueError, match=r"RGB_OR_1200x1200_001\.png is not among them"):
        tecnick()


def test_digest_is_of_the_contents_alone(tmp_path):
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (tmp_path / name for name in "abc")
    assert digest([a, b]) == digest([b, c]) != digest([a, c])
    sums = sorted(hashlib.sha256(content).hexdigest() for content in (b"1", b"2"))
    assert digest([a, b]) == hashlib.sha256("\n".join(sums).encode()).hexdigest()
