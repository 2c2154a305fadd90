"""HEAD of a clip, see CLIP-SPEC 2."""

from fractions import Fraction

from .clip_records import FULL, MAX_FRAME_PIXELS, ClipHead, ModelName, Picture
from .container import MAX_DEPTH, MIN_DEPTH, WEIGHTS_HASH_BYTES, unpack_sides
from .errors import FormatError, UnsupportedError
from .fields import Cursor, pack_uint, pack_varint


def pack_head(head: ClipHead) -> bytes:
    picture = head.picture
    sides = pack_varint(picture.width, "width") + pack_varint(picture.height, "height")
    codes = (picture.depth, picture.chroma, picture.matrix, picture.primaries, picture.transfer, picture.full_range)
    numbers = b"".join(pack_uint(int(code), 1, "picture") for code in codes)
    ratios = b"".join(
        pack_varint(part, name)
        for name, ratio in (("time_base", head.time_base), ("rate", head.rate), ("aspect", head.aspect))
        for part in (ratio.numerator, ratio.denominator)
    )
    models = b"".join(pack_varint(model.id, "model") + model.weights_hash for model in (head.intra, head.predicted))
    return sides + numbers + ratios + pack_varint(head.track_shift, "track_shift") + models


def unpack_head(payload: Cursor, max_pixels: int) -> ClipHead:
    """Raises FormatError, UnsupportedError."""
    width, height = unpack_sides(payload, MAX_FRAME_PIXELS)
    depth, chroma, matrix, primaries, transfer, full = (payload.uint(1, "picture") for _ in range(6))
    if not MIN_DEPTH <= depth <= MAX_DEPTH or chroma > FULL or full > 1:
        text = f"samples of {depth} bits, chroma {chroma}, range {full}: not known to this reader"
        raise UnsupportedError(text)
    time_base, rate, aspect = (_unpack_ratio(payload, name) for name in ("time_base", "rate", "aspect"))
    if not time_base:
        raise FormatError("the time base is 0", offset=payload.place, field="time_base")
    shift = payload.varint("track_shift")
    intra, predicted = (
        ModelName(payload.varint("model"), payload.take(WEIGHTS_HASH_BYTES, "weights_hash")) for _ in range(2)
    )
    payload.finish("HEAD")
    if width * height > max_pixels:
        raise UnsupportedError(f"the frames are {width} x {height}: more than the limit of {max_pixels} pixels")
    picture = Picture(width, height, depth, chroma, matrix, primaries, transfer, bool(full))
    return ClipHead(picture, time_base, rate, aspect, intra, predicted, shift)


def _unpack_ratio(payload: Cursor, name: str) -> Fraction:
    start = payload.place
    top, bottom = payload.varint(name), payload.varint(name)
    if not bottom:
        raise FormatError(f"{name} is {top}/0", offset=start, field=name)
    return Fraction(top, bottom)
