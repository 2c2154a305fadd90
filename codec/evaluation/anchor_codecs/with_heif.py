"""HEIC by x265 and libde265, which come with the package pillow-heif."""

import functools
from io import BytesIO

import numpy as np
from PIL import Image

from ..ycbcr import Chroma
from .anchor import AnchorCodec, Pixels


def heic(name: str, chroma: Chroma, preset: str) -> AnchorCodec:
    """8-bit HEIC; quality is 0..100, of which libheif makes x265's crf = (100 - quality) / 2."""
    return AnchorCodec(
        name=name,
        settings=f"quality swept (crf=(100-q)/2), preset {preset}, tune psnr, {chroma} 8-bit",
        qualities=(6, 14, 22, 30, 38, 45, 52, 58, 64),
        find=_find,
        write=functools.partial(_write, chroma, preset),
        read=_read,
    )


def _write(chroma: Chroma, preset: str, pixels: Pixels, quality: float) -> bytes:
    import pillow_heif

    effort = {"preset": preset, "tune": "psnr"}
    out = BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(pixels))
    image.save(out, quality=round(quality), chroma=chroma.replace(":", ""), enc_params=effort, tile_size=0)
    return out.getvalue()


def _read(data: bytes) -> Pixels:
    import pillow_heif

    return np.array(pillow_heif.open_heif(data).to_pillow().convert("RGB"))


def _find() -> str:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImportError("needs pillow-heif: pip install 'lcodec[bench]'") from error
    about = pillow_heif.libheif_info()
    if "x265" not in about["encoders"]:
        raise ImportError("this pillow-heif was built without x265: pip install --force-reinstall pillow-heif")
    decoders = ", ".join(about["decoders"].values())
    return f"pillow_heif {pillow_heif.__version__}, libheif {about['libheif']}, {about['encoders']['x265']}, {decoders}"
