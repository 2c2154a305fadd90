"""Test sets that others published, found by their file names in a folder of LCODEC_DATA."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .folders import ENVIRONMENT_VARIABLE, data_root, pictures


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """Where the pictures of a test set come from and what they are called.

    `folder` lies in LCODEC_DATA. `names` is None where the names are not known, only how many there are.
    `archive_sha256` is the SHA-256 of the file that `source` names (64 hex digits), None where it is not known.
    Checksums of the single pictures are not known for any of these sets: state `digest` beside results.
    """

    title: str
    folder: str
    n_images: int
    names: tuple[str, ...] | None
    source: str
    archive_sha256: str | None

    def paths(self) -> list[Path]:
        """The pictures, sorted by name.

        Raises ValueError if LCODEC_DATA is unset, or if not exactly these pictures are there: the message, one
        line, says what to download from where.
        """
        folder = data_root() / self.folder
        try:
            found = pictures(folder)
        except ValueError:  # no such folder, or nothing in it
            found = []
        absent = [name for name in self.names or () if name not in {path.name for path in found}]
        if absent or len(found) != self.n_images:
            first = f", {absent[0]} is not among them" if absent else ""
            check = "its checksum is not known" if self.archive_sha256 is None else f"SHA-256 {self.archive_sha256}"
            raise ValueError(
                f"{self.title} is {self.n_images} pictures, in {folder} are {len(found)}{first}: put exactly those of "
                f"{self.source} ({check}) into the folder {self.folder} of {ENVIRONMENT_VARIABLE}"
            )
        return found


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 (64 hex digits) over the SHA-256 sums of files, sorted: states which pictures, whatever their names."""
    sums = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return hashlib.sha256("\n".join(sums).encode("ascii")).hexdigest()
