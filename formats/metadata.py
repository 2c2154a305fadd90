"""Ancillary sections, SPEC.md section 8: what a file carries beside the picture. Nothing in here can stop a decode."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

from .errors import DamageWarning
from .sections import COMMENT, EXIF, ICC, XMP, Section, pack_section

MAX_COMMENT_BYTES = 65_535
MAX_METADATA_BYTES = 2**24
_FIELDS = {COMMENT: "comment", ICC: "icc", EXIF: "exif", XMP: "xmp"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What there is of it, byte for byte.

    Attributes:
        comment: text.
        icc: the colour profile of the samples. Without one, they are sRGB.
        exif: from the header of its TIFF structure on, without the `Exif` that JPEG puts before it.
        xmp: the packet, UTF-8.
    """

    comment: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    @property
    def minor_version(self) -> int:
        """The lowest minor version whose readers know all of it."""
        return int(any(part is not None for part in (self.icc, self.exif, self.xmp)))


NO_METADATA = Metadata()


def pack_metadata(metadata: Metadata) -> bytes:
    """Its sections. ValueError for a part that is too long, or a comment that no UTF-8 can hold."""
    sections = []
    for kind, name in _FIELDS.items():
        value = getattr(metadata, name)
        if value is None:
            continue
        # A lone surrogate raises UnicodeEncodeError, which is a ValueError.
        payload = value.encode("utf-8") if kind == COMMENT else bytes(value)
        if len(payload) > _limit(kind):
            raise ValueError(f"the {name} has {len(payload)} bytes: at most {_limit(kind)} are allowed")
        sections.append(pack_section(kind, payload))
    return b"".join(sections)


def unpack_metadata(section: Section, before: Metadata) -> Metadata:
    """What was known before, and what one ancillary section says. Warns of a section that it skips."""
    payload = section.payload
    if not section.intact:
        _warn(section, "its checksum differs")
    elif (name := _FIELDS.get(section.type)) is not None:
        if getattr(before, name) is not None:
            _warn(section, "it occurs twice")
        elif payload.left_bytes > _limit(section.type):
            _warn(section, f"it is longer than {_limit(section.type)} bytes")
        else:
            value = payload.take(payload.left_bytes, section.name)
            try:
                change: dict[str, Any] = {name: value.decode("utf-8") if section.type == COMMENT else value}
                return replace(before, **change)
            except UnicodeDecodeError:
                _warn(section, "it is not UTF-8")
    return before


def _limit(kind: int) -> int:
    return MAX_COMMENT_BYTES if kind == COMMENT else MAX_METADATA_BYTES


def _warn(section: Section, why: str) -> None:
    text = f"{section.name} at byte {section.offset} was skipped: {why}"
    warnings.warn(text, DamageWarning, stacklevel=5)  # the caller of unpack
