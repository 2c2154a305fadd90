"""Test pictures that have strayed among training pictures, found by perceptual hash.

The hash is pHash, 64 bits: the signs of the lowest 8x8 coefficients of the DCT of the picture at 32x32 pixels
against their median. Resized, re-compressed, recoloured, flipped and turned copies are found; a picture inside
a larger one, another photograph of the same scene and most crops are not. Measured on the 24 Kodak pictures, as
distance from the original in bits, with the number that a limit of 10 finds:

    JPEG quality 10, a quarter of the size, grey, turned    at most  4    24 of 24
    40 % brighter                                           at most  8    24 of 24
    5 % of width and height cut off, evenly all round       at most 10    24 of 24
    5 % of the width cut off at one side                    at most 12    21 of 24
    10 % of width and height cut off, evenly all round      at most 18    18 of 24
    20 % cut off, either way                                 as others     0 of 24

Photographs of other things: the nearest of 864 training pictures was 12 bits from a Kodak picture, the next 14
(looked at: no copies), the median 20; the nearest two Kodak pictures are 18 bits apart.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .folders import pictures

HASH_BITS = 64
MAX_DISTANCE_BITS = 10  # a copy is at most this far away

_SIDE_PX = 32  # pHash works on 32x32 pixels; turning those is as good as turning the picture
_TURNS = (None, *Image.Transpose)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A test picture and its distance, 0 to 64 bits, from the picture that was asked about."""

    test_picture: str
    distance_bits: int

    @property
    def is_copy(self) -> bool:
        return self.distance_bits <= MAX_DISTANCE_BITS


class TestPictures:
    """The hashes of all pictures of some folders, each in its eight flips and turns.

    Raises ValueError if a folder holds no picture or one that cannot be read, ImportError without ImageHash.
    """

    __test__ = False  # pytest: no test case

    def __init__(self, folders: Sequence[Path]) -> None:
        self._names: dict[str, str] = {}  # SHA-256 -> file name
        self._hashes: list[tuple[str, int]] = []
        for path in (path for folder in folders for path in pictures(folder)):
            self._names[hashlib.sha256(path.read_bytes()).hexdigest()] = path.name
            try:
                with Image.open(path) as image:
                    small = _small(image)
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                raise ValueError(f"test picture {path} cannot be read: {error}") from error
            for turn in _TURNS:
                turned = small if turn is None else small.transpose(turn)
                self._hashes.append((path.name, _perceptual_hash(turned)))

    def __len__(self) -> int:
        return len(self._hashes) // len(_TURNS)

    def same_file(self, digest: str) -> str | None:
        """The name of the test picture whose file has this SHA-256 (64 hex digits), if there is one."""
        return self._names.get(digest)

    def nearest(self, image: Image.Image) -> Neighbour:
        """The test picture most like `image`."""
        asked = _perceptual_hash(_small(image))
        name, known = min(self._hashes, key=lambda entry: (asked ^ entry[1]).bit_count())
        return Neighbour(name, (asked ^ known).bit_count())


def _small(image: Image.Image) -> Image.Image:
    return image.convert("L").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)


def _perceptual_hash(small: Image.Image) -> int:
    try:
        import imagehash
    except ImportError as error:
        raise ImportError("to look for test pictures, ImageHash is needed: pip install 'lcodec[train]'") from error
    return int(str(imagehash.phash(small)), 16)
