"""Other people's codecs behind one interface, to measure ours against on the same pictures."""

from .anchor import AnchorCodec
from .registry import ANCHOR_CODECS, by_name

__all__ = ["ANCHOR_CODECS", "AnchorCodec", "by_name"]
