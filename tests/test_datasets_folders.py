import pytest

from lcodec.datasets.folders import data_root, pictures


def test_data_root(tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.setenv("LCODEC_DATA", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match=r"LCODEC_DATA names .*absent"):
        data_root()


@pytest.mark.parametrize("value", [None, ""])
def test_data_root_unset(value, monkeypatch):
    if value is None:
        monkeypatch.delenv("LCODEC_DATA", raising=False)
    else:
        monkeypatch.setenv("LCODEC_DATA", value)
    with pytest.raises(ValueError, match="set the environment variable LCODEC_DATA"):
        data_root()


def test_pictures(tmp_path):
    for name in ("b.PNG", "a.jpg", "c.JPEG", "._a.jpg", "notes.txt", "png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in pictures(tmp_path)] == ["a.jpg", "b.PNG", "c.JPEG"]
    assert pictures(str(tmp_path)) == pictures(tmp_path)


def test_pictures_refuses_what_holds_none(tmp_path):
    with pytest.raises(ValueError, match="no pictures in"):
        pictures(tmp_path)
    (tmp_path / "a.png").touch()
    for path in (tmp_path / "a.png", tmp_path / "absent"):
        with pytest.raises(ValueError, match="not a folder"):
            pictures(path)
