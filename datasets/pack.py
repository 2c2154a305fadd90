"""A folder of photographs packed into shards, to be carried to a machine that has no network."""

import hashlib
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .folders import ENVIRONMENT_VARIABLE
from .licences import stated_licences
from .prepare import Prepared, Unfit, prepare
from .shards import Excluded, Shard, ShardWriter, write_manifest
from .similar import HASH_BITS, MAX_DISTANCE_BITS, Neighbour, TestPictures
from .split import digests


@dataclass(frozen=True, slots=True)
class Settings:
    """How to pack: at most `shard_bytes` a shard and `limit_bytes` in all (None: no limit).

    `min_side_px` is the least shorter side of a stored picture; `keep_small_jpeg` as in `prepare`.
    """

    shard_bytes: int = 30 * 2**20
    limit_bytes: int | None = None
    min_side_px: int = 256
    keep_small_jpeg: bool = False


@dataclass(frozen=True, slots=True)
class Nearest:
    """The packed picture that is most like a test picture."""

    name: str
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written, what was not, and how near the packed pictures come to the test pictures (None: no check)."""

    shards: tuple[Shard, ...]
    excluded: tuple[Excluded, ...]
    nearest: Nearest | None

    def excluded_counts(self) -> list[str]:
        """As "12 too small" and the like, the most frequent reason first."""
        return [f"{count} {reason}" for reason, count in Counter(row.reason for row in self.excluded).most_common()]

    def as_lines(self) -> list[str]:
        """A line for each shard, then one for each reason to exclude a file, then one on the test pictures."""
        lines = [f"{shard.file}: {len(shard.pictures)} pictures, {shard.size_bytes} bytes" for shard in self.shards]
        lines += [f"excluded: {count}" for count in self.excluded_counts()]
        if self.nearest is None:
            return [*lines, "not compared with any test set"]
        near = self.nearest.neighbour
        text = f"{self.nearest.name}, {near.distance_bits} of {HASH_BITS} bits from {near.test_picture}"
        return [*lines, f"nearest to a test picture: {text} (a copy: at most {MAX_DISTANCE_BITS})"]


def pack(folder: Path, output: Path, settings: Settings, test_sets: Sequence[Path] | None = None) -> Packed:
    """Pack the pictures directly inside `folder` into the new folder `output`, which appears whole or not at all.

    The order is pseudo-random, by content, so that each shard, and what a limit leaves, is a fair sample. The
    same pictures, settings and release of Pillow give the same bytes. Pictures that are copies of one in
    `test_sets` (folders; None: $LCODEC_DATA/kodak; empty: no check) are left out, as are those that `prepare`
    finds unfit; the manifest names them all.
    Raises ValueError if `output` exists, `folder` holds nothing that can be packed or no test set is found.
    """
    if os.path.lexists(output):
        raise ValueError(f"{output} exists: not overwritten")
    if not output.parent.is_dir():
        raise ValueError(f"cannot write {output}: {output.parent} is not a folder")
    sources = digests(folder)
    licences = stated_licences(folder)
    test_pictures = _test_pictures(test_sets)
    temporary = output.parent / f".{output.name}-{secrets.token_hex(6)}.tmp"
    temporary.mkdir()
    try:
        packing = _Packing(ShardWriter(temporary, settings.shard_bytes, settings.limit_bytes), settings, test_pictures)
        # Not by the digest itself: its first byte decides the split, and all validation would lie in the first shard.
        for path, digest in sorted(sources.items(), key=lambda item: hashlib.sha256(item[1].encode()).digest()):
            packing.add(path, digest, licences.get(digest, ""))
        packed = packing.finish()
        if not packed.shards:
            raise ValueError(f"nothing in {folder} can be packed: {', '.join(packed.excluded_counts())}")
        write_manifest(temporary, _about(settings, test_pictures, packed.nearest), packed.shards, packed.excluded)
        temporary.rename(output)
    except BaseException:  # KeyboardInterrupt included
        shutil.rmtree(temporary)
        raise
    return packed


class _Packing:
    """The state of a pack under way."""

    def __init__(self, writer: ShardWriter, settings: Settings, test_pictures: TestPictures | None) -> None:
        self._writer = writer
        self._settings = settings
        self._test_pictures = test_pictures
        self._names: set[str] = set()
        self._first: dict[str, str] = {}  # SHA-256 -> name of the first file that has it
        self._excluded: list[Excluded] = []
        self._nearest: Nearest | None = None
        self._full = False

    def add(self, path: Path, digest: str, licence: str) -> None:
        try:
            self._add(path, digest, licence)
        except Unfit as error:
            self._excluded.append(Excluded(path.name, error.reason, error.detail))

    def _add(self, path: Path, digest: str, licence: str) -> None:
        if self._full:
            raise Unfit("over the limit")
        first = self._first.setdefault(digest, path.name)
        if first != path.name:
            raise Unfit("twice the same file", first)
        prepared = prepare(path.read_bytes(), self._settings.min_side_px, self._settings.keep_small_jpeg)
        neighbour = self._checked(prepared, digest)
        name = path.name
        if prepared.is_new_jpeg and path.suffix.lower() not in (".jpg", ".jpeg"):
            name += ".jpg"
        if name in self._names:
            raise Unfit("name taken", name)
        if not self._writer.fits_a_shard(name, prepared.data):
            raise Unfit("larger than a shard", f"{len(prepared.data)} bytes")
        if not self._writer.add(name, prepared.data, digest, prepared.image.size, licence, prepared.done):
            self._full = True
            raise Unfit("over the limit")
        self._names.add(name)
        if neighbour and (self._nearest is None or neighbour.distance_bits < self._nearest.neighbour.distance_bits):
            self._nearest = Nearest(name, neighbour)

    def _checked(self, prepared: Prepared, digest: str) -> Neighbour | None:
        """The nearest test picture; Unfit if this is a copy of it."""
        if self._test_pictures is None:
            return None
        if same := self._test_pictures.same_file(digest):
            raise Unfit("copy of a test picture", f"{same}, the same file")
        neighbour = self._test_pictures.nearest(prepared.image)
        if neighbour.is_copy:
            detail = f"{neighbour.test_picture}, {neighbour.distance_bits} of {HASH_BITS} bits differ"
            raise Unfit("copy of a test picture", detail)
        return neighbour

    def finish(self) -> Packed:
        excluded = sorted(self._excluded, key=lambda row: row.name)
        return Packed(self._writer.finish(), tuple(excluded), self._nearest)


def _test_pictures(folders: Sequence[Path] | None) -> TestPictures | None:
    if folders is None:
        kodak = Path(os.environ.get(ENVIRONMENT_VARIABLE, "")) / "kodak"
        if not os.environ.get(ENVIRONMENT_VARIABLE) or not kodak.is_dir():
            raise ValueError(
                f"no test set to check against: ${ENVIRONMENT_VARIABLE}/kodak is not there; name a folder with "
                "--test-set, or pass --no-test-set"
            )
        folders = (kodak,)
    return TestPictures(folders) if folders else None


def _about(settings: Settings, test_pictures: TestPictures | None, nearest: Nearest | None) -> dict[str, object]:
    """What the manifest says of how the pack was made; no path, so that it is the same on every machine."""
    check = None
    if test_pictures is not None:
        check = {
            "test_pictures": len(test_pictures),
            "max_distance_bits": MAX_DISTANCE_BITS,
            "nearest": asdict(nearest) if nearest else None,
        }
    return {**asdict(settings), "test_check": check}
