"""lcodec: a learned image codec with exact entropy coding.

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
    from .formats.errors import DamageWarning, FormatError, LcodecError, ModelError, UnsupportedError

__version__ = "0.10.0"

_HOMES = {
    "Codec": ".codec.codec",
    "Decoder": ".codec.decoder",
    "Target": ".codec.target",
    "decode": ".codec.api",
    "encode": ".codec.api",
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
    "Codec",
    "DamageWarning",
    "Decoder",
    "FormatError",
    "LcodecError",
    "ModelError",
    "Target",
    "UnsupportedError",
    "__version__",
    "decode",
    "encode",
    "info",
    "open",
    "register_pillow",
    "salvage",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
