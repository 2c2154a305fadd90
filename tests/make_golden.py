"""Write the golden files of the current major version: `python tests/make_golden.py`. Never overwrites one.

For each case: the source picture, the coded file, the pixels it decodes to, and the SHA-256 of its symbols as an
independent decoder written from the specification finds them.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import spec_decoder
from checks import GOLDEN, picture

from lcodec import Codec
from lcodec.codec.registry import by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.formats.container import unpack
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import Samples

# Height, width, quality, comment, side of the tiles.
CASES = {
    "one-pixel-q50": (1, 1, 50.0, None, None),
    "column-q0": (63, 1, 0.0, None, None),
    "odd-q75": (17, 31, 75.0, None, None),
    "comment-q33.3": (65, 63, 33.3, "a comment: é", None),
    "large-q100": (130, 97, 100.0, None, None),
    "tiles-q40": (20, 530, 40.0, None, 256),
}


# A model imported from a checkpoint of CompressAI, and the first lossless one; their weights lie beside the folder of
# the golden files. A lossless file needs no picture but its source: that is what it decodes to, to the bit.
IMPORTED = "compressai-0cea5b54b970f7f7"
LOSSLESS = "lossless-9d2f9470bd13760c"


def symbols_digest(data: bytes, model: str = "tiny") -> str:
    """SHA-256 of the symbols of all steps, tile by tile, as little-endian int16, by the independent decoder."""
    stream = unpack(data)
    head, weights = stream.header, read_weights(by_name(model))
    side = max(head.height, head.width) if stream.grid is None else stream.grid.side
    corners = [(y, x) for y in range(0, head.height, side) for x in range(0, head.width, side)]
    digest = hashlib.sha256()
    for (y, x), tile in zip(corners, stream.tiles(), strict=True):
        size = min(side, head.height - y), min(side, head.width - x)
        found, crc = spec_decoder.symbols_of(weights, tile.steps, head.gain_index, *size)
        assert crc == tile.symbols_crc
        digest.update(b"".join(s.astype("<i2").tobytes() for s in found))
    return digest.hexdigest()


def write(
    folder: Path,
    name: str,
    codec: Codec,
    source: Samples,
    quality: float | None,
    comment: str | None = None,
    tile: int | None = None,
) -> None:
    """The four files of a case, unless they are there."""
    if (folder / f"{name}.lcc").exists():
        return
    data = codec.encode(source, quality, comment, tile=tile)
    files = {
        f"{name}.source.png": write_picture(source, ".png"),
        f"{name}.lcc": data,
        f"{name}.png": write_picture(codec.decode(data), ".png"),
        f"{name}.sha256": symbols_digest(data, codec.entry.full_name).encode() + b"\n",
    }
    for file, content in files.items():
        with (folder / file).open("xb") as handle:
            handle.write(content)


def write_lossless(folder: Path, codec: Codec, source: Samples) -> None:
    """The two files of the lossless case, in tiles, unless they are there."""
    if (folder / "lossless.lcc").exists():
        return
    (folder / "lossless.source.png").write_bytes(write_picture(source, ".png"))
    (folder / "lossless.lcc").write_bytes(codec.encode(source, tile=256))


def write_drawn(folder: Path, codec: Codec) -> None:
    """The two files of a lossless picture with a tile that is drawn and one that is not, unless they are there."""
    if (folder / "drawn.lcc").exists():
        return
    source = picture(70, 330, 5)
    y, x = np.mgrid[:70, :74]
    source[:, 256:] = np.where(((x + 2 * y) % 37 < 5)[..., None], (200, 30, 40), 255)
    (folder / "drawn.source.png").write_bytes(write_picture(source, ".png"))
    (folder / "drawn.lcc").write_bytes(codec.encode(source, tile=256))


def main(folder: Path = GOLDEN) -> None:
    codec = Codec("tiny", "cpu")
    for seed, (name, (height, width, quality, comment, tile)) in enumerate(CASES.items()):
        write(folder, name, codec, picture(height, width, seed), quality, comment, tile)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LCODEC_HOME"] = home
        shutil.copytree(folder.parent, Path(home, "weights"))
        write(folder, "compressai", Codec(IMPORTED, "cpu"), picture(83, 66, 5), None)
        write_lossless(folder, Codec(LOSSLESS, "cpu"), picture(45, 278, 6))
        write_drawn(folder, Codec(LOSSLESS, "cpu"))


if __name__ == "__main__":
    main()
