"""Whether the first bytes of a file are those of a clip: what is known of the kinds that people have most."""

HEAD_BYTES = 16
MAGIC = b"\x8bLV\n"  # of our own, see CLIP-SPEC 1

_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"YUV4MPEG2",
    b"FLV\x01",
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",
    b"nut/multimedia",
)
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1", b"heim", b"heis")


def looks_like_clip(head: bytes) -> bool:
    """head: the first HEAD_BYTES of a file."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return head[8:12] not in _STILL_BRANDS
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    return head.startswith(_STARTS)
