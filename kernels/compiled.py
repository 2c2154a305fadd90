"""The extension in C (`native/`), where lcodec was installed with a compiler."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import _native as native
else:
    try:
        from . import _native as native
    except ImportError:
        native = None

__all__ = ["native"]
