"""Write the golden clip: `python tests/make_golden_clip.py`. Never overwrites it.

A source of two scenes, the coded file, which has frames of every kind, and the samples that it decodes to: all planes
of all frames, one below the other, as a grey PNG.
"""

import io
import sys

import numpy as np
from checks import GOLDEN, picture
from clips import write_clip
from PIL import Image

from lcodec.codec.video.clip_codec import ClipCodec
from lcodec.codec.video.clip_decoding import DecodedFrame
from lcodec.formats.clip_reader import ClipReader
from lcodec.formats.clip_reading import ClipSource

CODED, SOURCE, DECODED = (GOLDEN / f"clip.{suffix}" for suffix in ("lcv", "source.mkv", "png"))
SIZE = 34, 50


def source_frames():
    """Nine frames that move, of which one comes twice, then three of another scene."""
    first, second = picture(60, 90, seed=3), 255 - picture(60, 90, seed=8)
    moving = [first[n : n + SIZE[0], 2 * n : 2 * n + SIZE[1]] for n in (0, 1, 2, 3, 3, 4, 5, 6, 7)]
    return np.stack([*moving, *(second[n : n + SIZE[0], n : n + SIZE[1]] for n in range(3))])


def stacked(frames):
    """All planes of frames (H, W) below each other, as wide as the widest."""
    width = max(plane.shape[1] for frame in frames for plane in frame)
    padded = [np.pad(plane, ((0, 0), (0, width - plane.shape[1]))) for frame in frames for plane in frame]
    return np.concatenate(padded)


def decoded(data):
    codec = ClipCodec("tinyvideo", "cpu")
    return [unit.planes for unit in codec.decode(ClipReader(io.BytesIO(data))) if isinstance(unit, DecodedFrame)]


def main():
    if CODED.exists():
        sys.exit(f"{CODED} exists")
    write_clip(SOURCE, source_frames())
    file = io.BytesIO()
    with ClipSource(str(SOURCE), "golden") as source:
        ClipCodec("tinyvideo", "cpu").encode(source, file, 60, period=9)
    CODED.write_bytes(file.getvalue())
    Image.fromarray(stacked(decoded(file.getvalue()))).save(DECODED, optimize=True)


if __name__ == "__main__":
    main()
