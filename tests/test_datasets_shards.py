import hashlib
import json
import tarfile

import pytest

from lcodec.datasets.shards import (
    MANIFEST,
    Excluded,
    ShardWriter,
    is_packed,
    read_manifest,
    read_shard,
    write_manifest,
)

PICTURES = {
    "a.png": b"first",
    "grüße.jpg": bytes(512),  # no padding
    "n" * 300 + ".jpg": b"a name longer than an old tar can hold",
    "last.webp": b"\xff" * 513,
}


def packed(folder, shard_bytes=3072, limit_bytes=None, pictures=PICTURES):
    folder.mkdir()
    writer = ShardWriter(folder, shard_bytes, limit_bytes)
    for name, data in pictures.items():
        assert writer.fits_a_shard(name, data)
        if not writer.add(name, data, hashlib.sha256(name.encode()).hexdigest(), (4, 3), "CC0", "original"):
            break
    shards = writer.finish()
    write_manifest(folder, {"shard_bytes": shard_bytes}, shards, [Excluded("b.png", "too small", "1x1")])
    return shards


def read(folder):
    return {stored.name: data for shard in read_manifest(folder) for stored, data in read_shard(folder, shard)}


@pytest.mark.parametrize("shard_bytes", [3072, 4096, 10**6])
def test_what_was_written_is_read(shard_bytes, tmp_path):
    shards = packed(tmp_path / "out", shard_bytes)
    assert is_packed(tmp_path / "out")
    assert not is_packed(tmp_path)
    assert read_manifest(tmp_path / "out") == list(shards)
    assert read(tmp_path / "out") == PICTURES
    assert (len(shards) > 1) == (shard_bytes < 10**6)
    for shard in shards:
        assert (tmp_path / "out" / shard.file).stat().st_size == shard.size_bytes <= shard_bytes


def test_shards_are_tar_files(tmp_path):
    (shard,) = packed(tmp_path / "out", 10**6)
    with tarfile.open(tmp_path / "out" / shard.file, "r:") as tar:
        members = tar.getmembers()
        assert {member.name: tar.extractfile(member).read() for member in members} == PICTURES
        assert [member.offset_data for member in members] == [stored.offset for stored in shard.pictures]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_a_shard_is_filled_to_the_byte(tmp_path):
    pictures = {f"{number}.png": bytes([number]) * 512 for number in range(4)}
    entries = 2 * (512 + 512)
    assert [len(s.pictures) for s in packed(tmp_path / "a", entries + 1024, None, pictures)] == [2, 2]
    assert [len(s.pictures) for s in packed(tmp_path / "b", entries + 1023, None, pictures)] == [1, 1, 1, 1]


@pytest.mark.parametrize(("limit_bytes", "count"), [(2047, 0), (2048, 1), (5119, 2), (5120, 3), (8191, 4), (None, 6)])
def test_limit_holds_for_all_shards_together(limit_bytes, count, tmp_path):
    pictures = {f"{number}.png": bytes([number]) * 512 for number in range(6)}
    shards = packed(tmp_path / "out", 3072, limit_bytes, pictures)
    assert sum(len(shard.pictures) for shard in shards) == count
    if limit_bytes is not None:
        assert sum(file.stat().st_size for file in (tmp_path / "out").glob("*.tar")) <= limit_bytes


def test_too_large_for_a_shard(tmp_path):
    writer = ShardWriter(tmp_path, 2048)
    assert writer.fits_a_shard("a", bytes(512))
    assert not writer.fits_a_shard("a", bytes(513))
    assert writer.finish() == ()


def test_damaged_shards_are_named(tmp_path):
    shard = packed(tmp_path / "out")[0]
    path = tmp_path / "out" / shard.file
    content = path.read_bytes()
    for position in (0, 600, len(content) - 1):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ValueError, match=r"shard-000\.tar is damaged: its SHA-256 is not the one in manifest"):
            read(tmp_path / "out")
    for other in (b"", content[:-1], content + b"\0"):
        path.write_bytes(other)
        with pytest.raises(ValueError, match=rf"shard-000\.tar is damaged: {len(other)} bytes where manifest"):
            read(tmp_path / "out")


def change(content, key, value):
    """Set the first `key` found in the manifest, outer levels first."""
    for row in (content, content["shards"][0], content["shards"][0]["pictures"][0]):
        if key in row:
            row[key] = value
            return
    raise KeyError(key)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "is not the manifest of packed photographs"),
        ("version", "1", "is not the manifest of packed photographs"),
        ("version", 2, "has version 2; this release of lcodec reads version 1"),
        ("shards", [], "is not the manifest of packed photographs"),
        ("shards", {}, "is not the manifest of packed photographs"),
        ("shards", [3], "is damaged: the entry of a shard is incomplete"),
        ("file", "../shard-000.tar", r"is damaged: '\.\./shard-000\.tar' is no name of a shard"),
        ("file", "shard-000.tar\n", "is no name of a shard"),
        ("pictures", None, "is damaged: the entry of a shard is incomplete"),
        ("pictures", ["a"], "is damaged: the entry of a picture is incomplete"),
        ("source_sha256", "00", "is damaged: the entry of a picture is incomplete"),
        ("offset", -5, "is damaged: the entry of a picture is incomplete"),
        ("offset", 1.5, "is damaged: the entry of a picture is incomplete"),
        ("offset", 513, r"shard-000\.tar does not hold picture 'a\.png' where manifest\.json says"),
        ("offset", 10**30, r"shard-000\.tar does not hold picture 'a\.png' where manifest\.json says"),
    ],
)
def test_damaged_manifests_are_refused(key, value, message, tmp_path):
    packed(tmp_path / "out")
    path = tmp_path / "out" / MANIFEST
    content = json.loads(path.read_text())
    change(content, key, value)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "out")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(text, tmp_path):
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged: not JSON"):
        read_manifest(tmp_path)


def test_manifest_tells_people_what_was_left_out(tmp_path):
    packed(tmp_path / "out")
    content = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert content["settings"] == {"shard_bytes": 3072}
    assert content["excluded"] == [{"name": "b.png", "reason": "too small", "detail": "1x1"}]
