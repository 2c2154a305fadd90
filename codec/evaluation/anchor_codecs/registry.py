"""Every anchor codec, one row each."""

from .anchor import AnchorCodec
from .libaom_tools import aomenc, avifenc
from .mozjpeg import mozjpeg
from .pillow import avif, jpeg, jpeg2000, webp
from .vvc import vtm, vvenc
from .with_heif import heic
from .with_imagecodecs import avif_10_bit, jpeg_xl
from .with_pyav import svt_av1, vp9, x264, x265

ANCHOR_CODECS: tuple[AnchorCodec, ...] = (
    jpeg("jpeg-420", "4:2:0", progressive=False),
    jpeg("jpeg-444", "4:4:4", progressive=True),
    webp("webp-m6"),
    jpeg2000("jpeg2000-openjpeg"),
    avif("avif-aom-s6", "4:4:4", speed=6, tune="psnr"),
    avif("avif-aom-s6-420", "4:2:0", speed=6, tune="psnr"),
    avif("avif-aom-s6-iq", "4:4:4", speed=6, tune="iq"),
    avif("avif-aom-s2", "4:4:4", speed=2, tune="psnr"),
    avif_10_bit("avif-aom-s6-10bit-iq", speed=6),
    jpeg_xl("jxl-e7", effort=7),
    jpeg_xl("jxl-e9", effort=9),
    heic("heic-x265-slow-444", "4:4:4", "slow"),
    heic("heic-x265-slow-420", "4:2:0", "slow"),
    svt_av1("svtav1-p4-420", preset=4),
    x264("x264-444", "4:4:4"),
    x264("x264-420", "4:2:0"),
    x265("x265-444", "4:4:4"),
    x265("x265-420", "4:2:0"),
    vp9("vp9-444", "4:4:4"),
    vp9("vp9-420", "4:2:0"),
    avifenc("avifenc-s6-10bit", speed=6),
    avifenc("avifenc-s2-10bit", speed=2),
    aomenc("aomenc-cpu0-444-10bit", cpu_used=0),
    mozjpeg("mozjpeg-420", "4:2:0"),
    mozjpeg("mozjpeg-444", "4:4:4"),
    vvenc("vvenc-medium-420", "medium"),
    vvenc("vvenc-slower-420", "slower"),
    vtm("vtm-444", "4:4:4"),
    vtm("vtm-420", "4:2:0"),
)


def by_name(name: str) -> AnchorCodec:
    """The codec of this name, in any case. Raises ValueError, listing what there is, for an unknown one."""
    for codec in ANCHOR_CODECS:
        if codec.name == name.lower():
            return codec
    raise ValueError(f"no anchor codec {name!r}; there are: {', '.join(c.name for c in ANCHOR_CODECS)}")
