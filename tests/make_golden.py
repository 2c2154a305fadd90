"""Write the golden files of the current major version: `python tests/make_golden.py`. Never overwrites one.

For each case: the source picture, the coded file, the pixels it decodes to, and the SHA-256 of its symbols as an
independent decoder written from the specification finds them.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import spec_decoder
from checks import GOLDEN, picture

from lcodec import Codec
from lcodec.codec.codec import Pixels
from lcodec.codec.registry import by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.formats.container import unpack
from lcodec.formats.pictures import write_picture

CASES = {
    "one-pixel-q50": (1, 1, 50.0, None),
    "column-q0": (63, 1, 0.0, None),
    "odd-q75": (17, 31, 75.0, None),
    "comment-q33.3": (65, 63, 33.3, "a comment: é"),
    "large-q100": (130, 97, 100.0, None),
}


# A model imported from a checkpoint of CompressAI; its weights lie beside the folder of the golden files.
IMPORTED = "compressai-0cea5b54b970f7f7"


def symbols_digest(data: bytes, model: str = "tiny") -> str:
    """SHA-256 of the symbols of all steps as little-endian int16, by the independent decoder."""
    stream = unpack(data)
    head = stream.header
    found, _ = spec_decoder.symbols_of(
        read_weights(by_name(model)), stream.steps, head.gain_index, head.height, head.width
    )
    return hashlib.sha256(b"".join(s.astype("<i2").tobytes() for s in found)).hexdigest()


def write(folder: Path, name: str, codec: Codec, source: Pixels, quality: float | None, comment: str | None) -> None:
    """The four files of a case."""
    data = codec.encode(source, quality, comment)
    files = {
        f"{name}.source.png": write_picture(source, ".png"),
        f"{name}.lcc": data,
        f"{name}.png": write_picture(codec.decode(data), ".png"),
        f"{name}.sha256": symbols_digest(data, codec.entry.full_name).encode() + b"\n",
    }
    for file, content in files.items():
        with (folder / file).open("xb") as handle:
            handle.write(content)


def main(folder: Path = GOLDEN) -> None:
    codec = Codec("tiny", "cpu")
    for seed, (name, (height, width, quality, comment)) in enumerate(CASES.items()):
        write(folder, name, codec, picture(height, width, seed), quality, comment)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LCODEC_HOME"] = home
        shutil.copytree(folder.parent, Path(home, "weights"))
        write(folder, "compressai", Codec(IMPORTED, "cpu"), picture(83, 66, len(CASES)), None, None)


if __name__ == "__main__":
    main()
