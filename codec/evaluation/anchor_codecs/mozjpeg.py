"""JPEG by mozjpeg's cjpeg; not to be mistaken for libjpeg-turbo's program of the same name.

Written from its manual and tested with a stand-in: it was not run against the real program.
"""

import functools
import tempfile
from pathlib import Path

from PIL import Image

from ..ycbcr import Chroma
from . import pillow
from .anchor import AnchorCodec, Pixels
from .tool import find_tool, run_tool, tool_version

_SOURCE = "build https://github.com/mozilla/mozjpeg"


def mozjpeg(name: str, chroma: Chroma) -> AnchorCodec:
    """JPEG with trellis quantisation; quality is 0..100."""
    return AnchorCodec(
        name=name,
        settings=f"quality swept, {chroma}, progressive+trellis, tune-psnr",
        qualities=(10, 20, 35, 50, 65, 76, 85, 92),
        find=_find,
        write=functools.partial(_write, chroma),
        read=functools.partial(pillow.read, "JPEG"),
    )


def _write(chroma: Chroma, pixels: Pixels, quality: float) -> bytes:
    tool = find_tool(["cjpeg"], _SOURCE)
    with tempfile.TemporaryDirectory() as folder:
        picture, file = Path(folder, "picture.ppm"), Path(folder, "picture.jpg")
        Image.fromarray(pixels).save(picture)
        sample = "1x1" if chroma == "4:4:4" else "2x2"
        run_tool(tool, "-quality", round(quality), "-sample", sample, "-tune-psnr", "-outfile", file, picture)
        return file.read_bytes()


def _find() -> str:
    return tool_version(find_tool(["cjpeg"], _SOURCE), "-version", r"mozjpeg version \S+")
