"""Shards: tar files of pictures, with a manifest beside them that says what they hold. Both sides, writing and reading.

    manifest.json    format, version, settings, shards [file, size, SHA-256, pictures [...]], excluded [name, reason]
    shard-000.tar    uncompressed POSIX tar, any tar program lists it; the same pictures give the same bytes
    shard-001.tar    ...

The manifest states where in its shard each picture lies, so that reading parses no tar and writes no file: a
picture is a slice of a shard whose SHA-256 has been verified. `settings` and `excluded` are for people.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MANIFEST = "manifest.json"
FORMAT, VERSION = "lcodec photographs", 1

_BLOCK_BYTES = 512
_END = bytes(2 * _BLOCK_BYTES)  # a tar ends with two empty blocks
_SHARD_NAME = re.compile(r"shard-[0-9]{3,}\.tar")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in a shard: `size_bytes` bytes from `offset` on, whose SHA-256 is `sha256`.

    `source_sha256` is that of the file it was made from; `done` says how it was made.
    """

    name: str
    source_sha256: str
    sha256: str
    offset: int
    size_bytes: int
    width: int
    height: int
    licence: str
    done: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file: its name, size, SHA-256 and pictures in the order in which they lie there."""

    file: str
    size_bytes: int
    sha256: str
    pictures: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A file that was not packed, and why."""

    name: str
    reason: str
    detail: str = ""


class ShardWriter:
    """Writes pictures into shard-000.tar, shard-001.tar ... of a folder, none larger than `shard_bytes`.

    All shards together stay within `limit_bytes` (None: no limit). The shard being filled is held in memory.
    """

    def __init__(self, folder: Path, shard_bytes: int, limit_bytes: int | None = None) -> None:
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._left_bytes = limit_bytes
        self._content = bytearray()
        self._pictures: list[Stored] = []
        self._shards: list[Shard] = []

    def fits_a_shard(self, name: str, data: bytes) -> bool:
        """Whether an empty shard could hold the picture."""
        return len(_entry(name, data)[0]) + len(_END) <= self._shard_bytes

    def add(
        self, name: str, data: bytes, source_sha256: str, size_px: tuple[int, int], licence: str, done: str
    ) -> bool:
        """Append a picture that fits a shard; False, and nothing is written, where the limit would be passed."""
        entry, data_offset = _entry(name, data)
        assert len(entry) + len(_END) <= self._shard_bytes, "ask fits_a_shard first"
        fresh = len(self._content) + len(entry) + len(_END) > self._shard_bytes
        needed = len(entry) + len(_END) + len(self._content) + (len(_END) if fresh else 0)
        if self._left_bytes is not None and needed > self._left_bytes:
            return False
        if fresh:
            self._close()
        digest = hashlib.sha256(data).hexdigest()
        offset = len(self._content) + data_offset
        self._pictures.append(Stored(name, source_sha256, digest, offset, len(data), *size_px, licence, done))
        self._content += entry
        return True

    def finish(self) -> tuple[Shard, ...]:
        """Write what is left; all shards."""
        if self._pictures:
            self._close()
        return tuple(self._shards)

    def _close(self) -> None:
        self._content += _END
        file = f"shard-{len(self._shards):03d}.tar"
        (self._folder / file).write_bytes(self._content)
        digest = hashlib.sha256(self._content).hexdigest()
        self._shards.append(Shard(file, len(self._content), digest, tuple(self._pictures)))
        if self._left_bytes is not None:
            self._left_bytes -= len(self._content)
        self._content.clear()
        self._pictures.clear()


def write_manifest(
    folder: Path, settings: Mapping[str, object], shards: Sequence[Shard], excluded: Sequence[Excluded]
) -> None:
    """Write manifest.json."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "settings": dict(settings),
        "shards": [asdict(shard) for shard in shards],
        "excluded": [asdict(row) for row in excluded],
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


def is_packed(folder: Path) -> bool:
    """Whether `folder` is a packed folder: it holds manifest.json."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> list[Shard]:
    """The shards that manifest.json of a packed folder lists, present or not.

    Raises ValueError if it is damaged, or of another format or version.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: not JSON") from error
    match content:
        case {"format": str(name), "version": int(version)} if name == FORMAT and version != VERSION:
            raise ValueError(f"{path} has version {version}; this release of lcodec reads version {VERSION}")
        case {"format": str(name), "version": int(), "shards": list(rows)} if name == FORMAT and rows:
            pass
        case _:
            raise ValueError(f"{path} is not the manifest of packed photographs")
    try:
        return [_shard(row) for row in rows]
    except _RowError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def read_shard(folder: Path, shard: Shard) -> Iterator[tuple[Stored, bytes]]:
    """The pictures of a shard and their bytes.

    Raises ValueError, before it yields anything, if the file is not the one that was packed.
    """
    path = folder / shard.file
    size_bytes = path.stat().st_size
    if size_bytes != shard.size_bytes:
        raise ValueError(f"{path} is damaged: {size_bytes} bytes where {MANIFEST} states {shard.size_bytes}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    for stored in shard.pictures:
        data = content[stored.offset : stored.offset + stored.size_bytes]
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise ValueError(f"{path} does not hold picture {stored.name!r} where {MANIFEST} says")
        yield stored, data


def _entry(name: str, data: bytes) -> tuple[bytes, int]:
    """A picture as it lies in a tar, and the offset of its bytes: header, bytes, zeros up to a full block."""
    about = tarfile.TarInfo(name)  # time, owner and group are 0
    about.size = len(data)
    about.mode = 0o644
    header = about.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + data + bytes(-len(data) % _BLOCK_BYTES), len(header)


class _RowError(Exception):
    """A row of the manifest is not what it should be."""


def _shard(row: object) -> Shard:
    match row:
        case {"file": str(file), "size_bytes": int(size), "sha256": str(digest), "pictures": list(pictures)}:
            if _SHARD_NAME.fullmatch(file):
                return Shard(file, size, digest, tuple(_stored(picture) for picture in pictures))
            raise _RowError(f"{file!r} is no name of a shard")
    raise _RowError("the entry of a shard is incomplete")


def _stored(row: object) -> Stored:
    match row:
        case {
            "name": str(name),
            "source_sha256": str(source),
            "sha256": str(digest),
            "offset": int(offset),
            "size_bytes": int(size),
            "width": int(width),
            "height": int(height),
            "licence": str(licence),
            "done": str(done),
        } if offset >= 0 and size > 0 and _DIGEST.fullmatch(source):
            return Stored(name, source, digest, offset, size, width, height, licence, done)
    raise _RowError("the entry of a picture is incomplete")
