"""The fixed split of a folder of pictures into training and validation.

A picture belongs to validation when the SHA-256 of its file starts with a byte below 13: about a
twentieth, chosen by content alone, so that adding or renaming files moves no other file.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from .folders import pictures

VALIDATION_BELOW = 13  # of 256 values of the first byte

# file name -> (size in bytes, modification time in ns, SHA-256)
_Entries = dict[str, tuple[int, int, str]]


def is_validation(digest: str) -> bool:
    """Whether a file with this SHA-256 (64 hex digits) is held out for validation."""
    return int(digest[:2], 16) < VALIDATION_BELOW


def digests(folder: Path | str, cache: Path | None = None) -> dict[Path, str]:
    """SHA-256 (64 hex digits) of every picture in `folder`, in the order of `pictures`.

    `cache` names a JSON file that remembers them; an entry holds while the file's size and
    modification time stay the same. An unreadable cache is ignored and written anew.
    Raises ValueError as `pictures` does.
    """
    known = _read(cache) if cache is not None else {}
    entries: _Entries = {}
    found: dict[Path, str] = {}
    for path in pictures(folder):
        status = path.stat()
        size_bytes, modified_ns, digest = known.get(path.name, (-1, -1, ""))
        if (size_bytes, modified_ns) != (status.st_size, status.st_mtime_ns):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries[path.name] = (status.st_size, status.st_mtime_ns, digest)
        found[path] = digest
    if cache is not None and entries != known:
        _write(cache, entries)
    return found


def split(folder: Path | str, cache: Path | None = None) -> tuple[list[Path], list[Path]]:
    """The pictures of `folder` as (train, validation), each sorted by name; either may be empty.

    `cache` and errors as in `digests`.
    """
    train: list[Path] = []
    validation: list[Path] = []
    for path, digest in digests(folder, cache).items():
        (validation if is_validation(digest) else train).append(path)
    return train, validation


def _read(cache: Path) -> _Entries:
    try:
        stored = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries: _Entries = {}
    for name, row in stored.items() if isinstance(stored, dict) else ():
        match row:
            case [int(size_bytes), int(modified_ns), str(digest)] if _is_digest(digest):
                entries[name] = (size_bytes, modified_ns, digest)
    return entries


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _write(cache: Path, entries: _Entries) -> None:
    """Write the cache whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=cache.parent, prefix=cache.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(entries, file, indent=0)
        os.replace(temporary, cache)
    except BaseException:
        os.unlink(temporary)
        raise
