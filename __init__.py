"""lcodec: a learned image and video codec with exact entropy coding.

The face of the package. Names are loaded on first use (PEP 562), so that importing `lcodec.formats` or asking for a
file's info does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .codec.api import decode, encode, info, open, salvage
    from .codec.codec import Codec
    from .codec.decoder import Decoder
    from .codec.pillow_plugin import register_pillow
    from .codec.target import Target
    from .codec.video.api import ClipWanted, clip_frames, decode_clip, encode_clip
    from .formats.errors import DamageWarning, FormatError, LcodecError, ModelError, UnsupportedError

__version__ = "0.13.0"

_HOMES = {
    "ClipWanted": ".codec.video.api",
    "Codec": ".codec.codec",
    "Decoder": ".codec.decoder",
    "Target": ".codec.target",
    "clip_frames": ".codec.video.api",
    "decode": ".codec.api",
    "decode_clip": ".codec.video.api",
    "encode": ".codec.api",
    "encode_clip": ".codec.video.api",
    "info": ".codec.api",
    "open": ".codec.api",
    "register_pillow": ".codec.pillow_plugin",
    "salvage": ".codec.api",
    "DamageWarning": ".formats.errors",
    "FormatError": ".formats.errors",
    "LcodecError": ".formats.errors",
    "ModelError": ".formats.errors",
    "UnsupportedError": ".formats.errors",
}

__all__ = [
    "ClipWanted",
    "Codec",
    "DamageWarning",
    "Decoder",
    "FormatError",
    "LcodecError",
    "ModelError",
    "Target",
    "UnsupportedError",
    "__version__",
    "clip_frames",
    "decode",
    "decode_clip",
    "encode",
    "encode_clip",
    "info",
    "open",
    "register_pillow",
    "salvage",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
