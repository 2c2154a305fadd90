"""H.266 by VVenC (vvencapp with vvdecapp) and by the reference software VTM (EncoderApp with DecoderApp).

Written from their manuals and tested with stand-ins: they were not run against the real programs.
"""

import functools
import tempfile
from pathlib import Path

from ..ycbcr import BT709, Chroma, from_planes, to_planes
from .anchor import AnchorCodec, Pixels
from .raw_stream import split_size, with_size
from .tool import find_tool, run_tool, tool_version
from .yuv_file import read_yuv, write_yuv

_BITS = 10
_VVENC = "build https://github.com/fraunhoferhhi/vvenc"
_VVDEC = "build https://github.com/fraunhoferhhi/vvdec"
_VTM = "build https://vcgit.hhi.fraunhofer.de/jvet/VVCSoftware_VTM"
_VTM_ENCODERS, _VTM_DECODERS = ("EncoderApp", "EncoderAppStatic"), ("DecoderApp", "DecoderAppStatic")
_VTM_INTRA = Path("cfg", "encoder_intra_vtm.cfg")
_STREAM = "Lanczos chroma resampling, single intra frame, raw stream and 4 bytes of size"


def vvenc(name: str, preset: str) -> AnchorCodec:
    """10-bit H.266 by VVenC, which has 4:2:0 only; quality is QP, 0..63, so that less is better."""
    return AnchorCodec(
        name=name,
        settings=f"qp swept, preset {preset}, qpa=0, 10-bit 4:2:0 BT.709 full, {_STREAM}, 1 thread",
        qualities=(44, 40, 36, 32, 28, 24, 20, 16),
        find=_find_vvenc,
        write=functools.partial(_write_vvenc, preset),
        read=_read_vvdec,
    )


def vtm(name: str, chroma: Chroma) -> AnchorCodec:
    """10-bit H.266 by VTM with its all-intra configuration; quality is QP, 0..63, so that less is better."""
    return AnchorCodec(
        name=name,
        settings=f"qp swept, encoder_intra_vtm.cfg, 10-bit {chroma} BT.709 full, {_STREAM}",
        qualities=(44, 40, 36, 32, 28, 24, 20, 16),
        find=_find_vtm,
        write=functools.partial(_write_vtm, chroma),
        read=functools.partial(_read_vtm, chroma),
    )


def _write_vvenc(preset: str, pixels: Pixels, qp: float) -> bytes:
    tool = find_tool(["vvencapp"], _VVENC)
    planes = to_planes(pixels, BT709, _BITS, "4:2:0")
    height, width = planes[0].shape
    with tempfile.TemporaryDirectory() as folder:
        frame, stream = Path(folder, "frame.yuv"), Path(folder, "stream.266")
        write_yuv(frame, planes)
        kind = ["--size", f"{width}x{height}", "--format", "yuv420_10", "--framerate", 1, "--frames", 1]
        effort = ["--preset", preset, "--qp", round(qp), "--qpa", 0, "--threads", 1]
        run_tool(tool, "--input", frame, *kind, *effort, "--output", stream)
        return with_size(stream.read_bytes(), pixels)


def _read_vvdec(data: bytes) -> Pixels:
    tool = find_tool(["vvdecapp"], _VVDEC)
    coded, height_px, width_px = split_size(data)
    with tempfile.TemporaryDirectory() as folder:
        stream, frame = Path(folder, "stream.266"), Path(folder, "frame.yuv")
        stream.write_bytes(coded)
        run_tool(tool, "--bitstream", stream, "--output", frame, "--threads", 1)
        planes = read_yuv(frame, height_px, width_px, "4:2:0")
    return from_planes(planes, BT709, _BITS, height_px, width_px)


def _write_vtm(chroma: Chroma, pixels: Pixels, qp: float) -> bytes:
    tool = find_tool(_VTM_ENCODERS, _VTM)
    planes = to_planes(pixels, BT709, _BITS, chroma)
    height, width = planes[0].shape
    with tempfile.TemporaryDirectory() as folder:
        frame, stream, rebuilt = Path(folder, "frame.yuv"), Path(folder, "stream.266"), Path(folder, "rebuilt.yuv")
        write_yuv(frame, planes)
        kind = [f"--InputChromaFormat={chroma.replace(':', '')}", f"--InputBitDepth={_BITS}"]
        depth = [f"--InternalBitDepth={_BITS}", f"--OutputBitDepth={_BITS}", "--ConformanceWindowMode=1"]
        size = ["-wdt", width, "-hgt", height, "-fr", 1, "-f", 1]
        files = ["-c", _vtm_intra(tool), "-i", frame, "-b", stream, "-o", rebuilt]
        run_tool(tool, *files, *size, *kind, *depth, "-q", round(qp))
        return with_size(stream.read_bytes(), pixels)


def _read_vtm(chroma: Chroma, data: bytes) -> Pixels:
    tool = find_tool(_VTM_DECODERS, _VTM)
    coded, height_px, width_px = split_size(data)
    with tempfile.TemporaryDirectory() as folder:
        stream, frame = Path(folder, "stream.266"), Path(folder, "frame.yuv")
        stream.write_bytes(coded)
        run_tool(tool, "-b", stream, "-o", frame, "-d", _BITS)
        planes = read_yuv(frame, height_px, width_px, chroma)
    return from_planes(planes, BT709, _BITS, height_px, width_px)


def _vtm_intra(encoder: Path) -> Path:
    """VTM's own configuration, in a folder above its program. Raises FileNotFoundError if it is not there."""
    for folder in encoder.resolve().parents:
        if (folder / _VTM_INTRA).is_file():
            return folder / _VTM_INTRA
    raise FileNotFoundError(f"{_VTM_INTRA} is in no folder above {encoder.resolve()}: keep the program in VTM's tree")


def _find_vvenc() -> str:
    encoder = tool_version(find_tool(["vvencapp"], _VVENC), "--version", r"vvencapp version \S+")
    return encoder + ", " + tool_version(find_tool(["vvdecapp"], _VVDEC), "--version", r"vvdecapp version \S+")


def _find_vtm() -> str:
    encoder = find_tool(_VTM_ENCODERS, _VTM)
    find_tool(_VTM_DECODERS, _VTM)
    _vtm_intra(encoder)
    return tool_version(encoder, "--help", r"VTM Encoder Version \S+")
