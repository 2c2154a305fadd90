"""Photographs to train on, from a folder of picture files or from a packed folder: the reading side of `pack`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .folders import pictures
from .licences import is_permissive, stated_licences
from .shards import is_packed, read_manifest, read_shard
from .split import is_validation

__all__ = ["Photograph", "is_permissive", "photographs", "split_photographs"]


@dataclass(frozen=True, slots=True)
class Photograph:
    """One encoded picture.

    `digest` is the SHA-256 (64 hex digits) of the file as it was before packing: it decides between training
    and validation. `data` is the picture as stored (PNG, JPEG, WebP ...). `licence` is what the manifest
    states, "" where nothing is known.
    """

    name: str
    digest: str
    data: bytes
    licence: str


def photographs(folder: Path | str) -> list[Photograph]:
    """All photographs of `folder`, sorted by name, with their bytes in memory.

    A packed folder is one that holds manifest.json; of its shards some may be absent, those present are all
    verified. Of a plain folder the pictures directly inside are read, none of them decoded, with the licences
    that MANIFEST.csv in the folder or its parent states.
    Raises ValueError if there is no picture or no shard, or if a shard or a manifest is damaged.
    """
    folder = Path(folder)
    found = _packed(folder) if is_packed(folder) else _plain(folder)
    return sorted(found, key=lambda photograph: photograph.name)


def split_photographs(found: Sequence[Photograph]) -> tuple[list[Photograph], list[Photograph]]:
    """(train, validation) by content, as `split` splits the files of a folder; order kept; either may be empty."""
    train: list[Photograph] = []
    validation: list[Photograph] = []
    for photograph in found:
        (validation if is_validation(photograph.digest) else train).append(photograph)
    return train, validation


def _plain(folder: Path) -> list[Photograph]:
    paths = pictures(folder)
    licences = stated_licences(folder)
    found = []
    for path in paths:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        found.append(Photograph(path.name, digest, data, licences.get(digest, "")))
    return found


def _packed(folder: Path) -> list[Photograph]:
    shards = read_manifest(folder)
    present = [shard for shard in shards if (folder / shard.file).is_file()]
    if not present:
        raise ValueError(f"{folder} holds none of the {len(shards)} shards that its manifest lists")
    return [
        Photograph(stored.name, stored.source_sha256, data, stored.licence)
        for shard in present
        for stored, data in read_shard(folder, shard)
    ]
