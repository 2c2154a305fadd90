"""AV1 by the programs of libavif and libaom: avifenc with avifdec, aomenc with aomdec."""

import functools
import tempfile
from pathlib import Path

from PIL import Image

from ..ycbcr import BT709, from_planes, to_planes
from . import pillow
from .anchor import AnchorCodec, Pixels
from .raw_stream import split_size, with_size
from .tool import find_tool, run_tool, tool_version
from .yuv_file import read_yuv, write_yuv

_BITS = 10
_LIBAVIF = "install libavif's programs (Debian: libavif-bin; macOS: brew install libavif)"
_LIBAOM = "install libaom's programs (Debian: aom-tools; macOS: brew install aom)"


def avifenc(name: str, speed: int) -> AnchorCodec:
    """10-bit AVIF by libaom; quality is cq-level, 0..63, so that less is better."""
    return AnchorCodec(
        name=name,
        settings=f"cq-level swept, end-usage=q, tune=psnr, speed {speed}, 4:4:4 10-bit BT.601 full, 1 thread",
        qualities=(56, 50, 44, 38, 32, 26, 20, 15),
        find=_find_avif,
        write=functools.partial(_write_avif, speed),
        read=_read_avif,
    )


def aomenc(name: str, cpu_used: int) -> AnchorCodec:
    """10-bit AV1 by libaom; quality is cq-level, 0..63, so that less is better."""
    return AnchorCodec(
        name=name,
        settings=f"cq-level swept, end-usage=q, tune=psnr, cpu-used={cpu_used}, 2 passes, 4:4:4 10-bit BT.709 full, "
        "single intra frame, OBU stream and 4 bytes of size, 1 thread",
        qualities=(58, 52, 46, 40, 34, 28, 22, 17),
        find=_find_aom,
        write=functools.partial(_write_aom, cpu_used),
        read=_read_aom,
    )


def _write_avif(speed: int, pixels: Pixels, cq_level: float) -> bytes:
    tool = find_tool(["avifenc"], _LIBAVIF)
    with tempfile.TemporaryDirectory() as folder:
        picture, file = Path(folder, "picture.png"), Path(folder, "picture.avif")
        Image.fromarray(pixels).save(picture, compress_level=0)
        rate = ["--min", 0, "--max", 63, "-a", "end-usage=q", "-a", f"cq-level={round(cq_level)}", "-a", "tune=psnr"]
        kind = ["--codec", "aom", "--yuv", "444", "--depth", _BITS, "--range", "full", "--cicp", "1/13/6"]
        run_tool(tool, *kind, *rate, "--speed", speed, "--jobs", 1, picture, file)
        return file.read_bytes()


def _read_avif(data: bytes) -> Pixels:
    tool = find_tool(["avifdec"], _LIBAVIF)
    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder, "picture.avif"), Path(folder, "picture.png")
        file.write_bytes(data)
        run_tool(tool, "--depth", 8, "--jobs", 1, file, picture)
        return pillow.read("PNG", picture.read_bytes())


def _write_aom(cpu_used: int, pixels: Pixels, cq_level: float) -> bytes:
    tool = find_tool(["aomenc"], _LIBAOM)
    with tempfile.TemporaryDirectory() as folder:
        frame, stream = Path(folder, "frame.yuv"), Path(folder, "stream.obu")
        write_yuv(frame, to_planes(pixels, BT709, _BITS, "4:4:4"))
        depth = ["--i444", "--profile=1", f"--input-bit-depth={_BITS}", f"--bit-depth={_BITS}"]
        rate = ["--end-usage=q", f"--cq-level={round(cq_level)}", "--tune=psnr", "--passes=2"]
        size = [f"--width={pixels.shape[1]}", f"--height={pixels.shape[0]}", "--fps=1/1", "--limit=1"]
        run_tool(tool, *size, *depth, *rate, f"--cpu-used={cpu_used}", "--threads=1", "--obu", "-o", stream, frame)
        return with_size(stream.read_bytes(), pixels)


def _read_aom(data: bytes) -> Pixels:
    tool = find_tool(["aomdec"], _LIBAOM)
    coded, height_px, width_px = split_size(data)
    with tempfile.TemporaryDirectory() as folder:
        stream, frame = Path(folder, "stream.obu"), Path(folder, "frame.yuv")
        stream.write_bytes(coded)
        run_tool(tool, "--rawvideo", f"--output-bit-depth={_BITS}", "-o", frame, stream)
        planes = read_yuv(frame, height_px, width_px, "4:4:4")
    return from_planes(planes, BT709, _BITS, height_px, width_px)


def _find_avif() -> str:
    find_tool(["avifdec"], _LIBAVIF)
    version = tool_version(find_tool(["avifenc"], _LIBAVIF), "--version", r"Version: [^\n]*aom[^\n]*")
    return version.replace("Version:", "avifenc")


def _find_aom() -> str:
    find_tool(["aomdec"], _LIBAOM)
    return "aomenc, " + tool_version(find_tool(["aomenc"], _LIBAOM), "--help", r"AV1 Encoder v?[^\s(]+")
