"""What is fuzzed (`fuzz.py`), and what the fuzzer begins with. Only errors of lcodec may come out of a target."""

import contextlib
from pathlib import Path

import numpy as np
from checks import GOLDEN, picture

from lcodec import Codec, Target
from lcodec.codec.targets import encode_to
from lcodec.entropy.coder import CoderError, RowCoder
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.container import pack, unpack, unpack_remains
from lcodec.formats.errors import LcodecError
from lcodec.formats.metadata import Metadata

CORPUS = Path(__file__).parent / "corpus"
MOST_PIXELS = 96 * 96
_coder = RowCoder(gaussian_rows(), 6)
_codec = Codec("tiny", "cpu")


def reader(data: bytes) -> None:
    for read in (unpack, unpack_remains):
        try:
            found = read(data)
            if read is unpack:
                assert unpack(pack(found)) == found
        except LcodecError:
            pass


def coder(data: bytes) -> None:
    """The first byte says how many symbols, the next ones are their rows."""
    count = data[0] if data else 0
    row = np.frombuffer(data[1 : 1 + count], np.uint8).astype(np.int16) % 64
    try:
        symbols = _coder.pull(data[1 + count :], row)
    except CoderError:
        return
    assert symbols.shape == row.shape
    assert (_coder.pull(_coder.push(symbols, row), row) == symbols).all()


def files(data: bytes) -> None:
    for decode in (_codec.decode, _codec.salvage):
        with contextlib.suppress(LcodecError):
            decode(data, MOST_PIXELS)


TARGETS = {"reader": reader, "coder": coder, "files": files}


def seeds(target: str) -> list[bytes]:
    """What the fuzzer begins with."""
    if target == "coder":
        rows = np.random.default_rng(0).integers(0, 64, 100).astype(np.int16)
        symbols = np.where(rows < 6, 0, np.random.default_rng(1).normal(0, 1.1 ** (rows - 18)).round()).astype(np.int16)
        symbols[::9] *= 40
        symbols[rows < 6] = 0
        return [bytes([100]) + rows.astype(np.uint8).tobytes() + _coder.push(symbols, rows)]
    whole = [path.read_bytes() for path in sorted(GOLDEN.glob("*.lcc"))]
    alpha = np.concatenate([picture(40, 30), picture(40, 30)[..., :1]], axis=2)
    whole.append(_codec.encode(alpha, 40, "a comment"))
    whole.append(_codec.encode(alpha[..., 0].astype(np.uint16) * 200, 30))
    whole.append(_codec.encode(alpha.astype(np.uint16) * 200, 30))
    whole.append(encode_to(_codec, picture(20, 20), Target(bpp=4)))
    stream = unpack(whole[-4])
    kept = Metadata("c", b"icc", b"II*\0", b"<x/>")
    whole.append(pack(type(stream)(stream.header, stream.steps, stream.symbols_crc, kept, alpha=stream.alpha)))
    return whole
