"""Frames to bytes and back: an intra frame by the model of still pictures, others predicted from one or two of them.

```
samples ─► motion (search) ─► prediction ─► latents ─► bytes ─► latents ─► samples of the decoder ─► other frames
```
A decoder keeps two things of a frame: decoded latents, which are exact and which probabilities follow from, and the
samples that it shows, which are not quite. So the symbols of frames can be decoded before any of their samples are
drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...entropy.fixed import MEAN_BITS
from ...entropy.frame_stream import FrameReader, FrameWriter, LatentPlanes
from ...entropy.past import Earlier, last_of
from ...entropy.vectors import EXPECTED_ROW, VECTOR_ROWS, Modes, Vectors
from ...formats.clip_order import Slot
from ..coding_model import CodingModel
from .mixture import FIRST, SECOND, Motion, Prediction, predicted, references_of
from .model import motion_sizes
from .motion_base import Fields, expected, fields_after
from .motion_search import cheapest_motion
from .planes import FrameShape
from .predicted_model import PredictedModel

Planes = tuple[Tensor, Tensor]  # luma (1, 1, H, W) and chroma (1, 2, H', W'), padded: see `FrameShape`
_PREPARED = 2  # frames whose samples between pixels are kept
# Of two fields of vectors: which rows they have, and in which mode they are not used.
_FIELDS = ((1, SECOND), (2, FIRST))


@dataclass(frozen=True, slots=True)
class Known:
    """Exact latents (1, M, h, w) of the last intra frame, and of the last frame since then of each level; motion."""

    intra: Tensor
    last: Mapping[int, Tensor] = field(default_factory=dict)
    fields: Fields = field(default_factory=dict)

    def earlier(self, level: int, motion: Motion) -> Earlier:
        """What is known before a frame of a level."""
        return Earlier(self.intra, last_of(self.last, level, self.intra), motion_sizes(motion).to(self.intra.dtype))

    def after(self, slot: Slot, y_hat: Tensor, motion: Motion) -> "Known":
        vectors = tuple(own[0].to(torch.int32).cpu().numpy() for own in motion.vectors)
        return Known(self.intra, {**self.last, slot.level: y_hat}, fields_after(self.fields, slot, vectors))


@dataclass(frozen=True, slots=True)
class Symbols:
    """A frame whose symbols are decoded: its latents, its motion where it is predicted, what is known after it."""

    y_hat: Tensor
    motion: Motion | None
    crc: int
    known: Known


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The samples of a frame, not rounded: what is shown, and what others are predicted from."""

    planes: Planes


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """The bytes of a frame, the checksum of its symbols, and what a decoder will have after it."""

    data: bytes
    symbols_crc: int
    known: Known
    shown: Shown


class FrameCoder:
    """Codes frames of one shape. Holds nothing between calls but samples between pixels, of frames that it is given."""

    def __init__(self, intra: CodingModel, predicted: PredictedModel, shape: FrameShape) -> None:
        self.intra, self.predicted, self.shape = intra, predicted, shape
        self.device = predicted.device
        self._references = lru_cache(_PREPARED)(lambda shown: references_of(shown.planes))

    @torch.inference_mode()
    def encode_intra(self, planes: Planes, gain_index: int) -> CodedFrame:
        pixels = self.shape.colours.to_rgb(*planes)[0].permute(1, 2, 0) * 255
        y, z = self.intra.latents(pixels, gain_index)
        writer = FrameWriter(self.intra.coder)
        y_hat = self.intra.prior.walk(gain_index, self.shape.latents, writer.latents(_on_host(y, z)), self.device)
        return CodedFrame(writer.bytes(), writer.crc, Known(y_hat), self._draw_intra(y_hat, gain_index))

    @torch.inference_mode()
    def encode_predicted(
        self, planes: Planes, references: Sequence[Shown], known: Known, slot: Slot, gain_index: int, bit_cost: float
    ) -> CodedFrame:
        """references: those of the slot.

        bit_cost: what a bit of motion weighs against absolute differences in luminance, in levels of 8 bits.
        """
        model = self.predicted
        cost = bit_cost * 2.0 ** (self.shape.colours.depth - 8)
        shown = [reference.planes[0] for reference in references]
        prepared = [self._references(reference) for reference in references]
        base = expected(known.fields, slot)
        there = None if base is None else self._motion(base).vectors
        motion, of_use = cheapest_motion(planes[0], shown, prepared, cost, model.motion_bits, there)
        writer = FrameWriter(model.coder)
        if base is not None:
            writer.flag(bool(of_use), self._expected_row(slot))
        motion = self._write_motion(writer, motion, base if of_use else None)
        prediction = self._prediction(references, motion)
        y, z = model.latents(self.shape.colours.to_rgb(*planes), prediction, gain_index)
        exchange, earlier = writer.latents(_on_host(y, z)), known.earlier(slot.level, motion)
        y_hat = model.prior.walk(gain_index, self.shape.latents, exchange, self.device, earlier)
        after, drawn = known.after(slot, y_hat, motion), self._drawn(y_hat, prediction, gain_index)
        return CodedFrame(writer.bytes(), writer.crc, after, drawn)

    @torch.inference_mode()
    def intra_symbols(self, data: bytes, gain_index: int) -> Symbols:
        """Decode the exact half of a frame. Raises CoderError."""
        reader = FrameReader(self.intra.coder, data)
        y_hat = self.intra.prior.walk(gain_index, self.shape.latents, reader.latents, self.device)
        reader.finish()
        return Symbols(y_hat, None, reader.crc, Known(y_hat))

    @torch.inference_mode()
    def predicted_symbols(self, data: bytes, known: Known, slot: Slot, gain_index: int) -> Symbols:
        """The same of a frame with references."""
        model = self.predicted
        reader = FrameReader(model.coder, data)
        base = expected(known.fields, slot)
        if base is not None and not reader.flag(self._expected_row(slot)):
            base = None
        motion = self._read_motion(reader, len(slot.references), base)
        earlier = known.earlier(slot.level, motion)
        y_hat = model.prior.walk(gain_index, self.shape.latents, reader.latents, self.device, earlier)
        reader.finish()
        return Symbols(y_hat, motion, reader.crc, known.after(slot, y_hat, motion))

    @torch.inference_mode()
    def draw(self, symbols: Symbols, references: Sequence[Shown], gain_index: int) -> Shown:
        """The other half, in floating point."""
        if symbols.motion is None:
            return self._draw_intra(symbols.y_hat, gain_index)
        return self._drawn(symbols.y_hat, self._prediction(references, symbols.motion), gain_index)

    def _expected_row(self, slot: Slot) -> int:
        """By which it is coded whether vectors are what they are beyond those expected."""
        return self.predicted.motion_row + EXPECTED_ROW + len(slot.references) - 1

    def _write_motion(self, writer: FrameWriter, motion: Motion, base: Sequence[Vectors] | None) -> Motion:
        """Motion as a reader will have it: vectors that no block uses are not coded."""
        row = self.predicted.motion_row
        vectors = [field[0].to(torch.int32).cpu().numpy() for field in motion.vectors]
        if motion.modes is None:
            return self._motion(_from_base(base, lambda n, own: writer.vectors(own, row), vectors))
        modes = motion.modes[0].to(torch.int32).cpu().numpy()
        writer.modes(modes, row)

        def write(n: int, own: Vectors) -> Vectors:
            rows, unused = _FIELDS[n]
            return writer.vectors(own, row + rows * VECTOR_ROWS, modes != unused)

        return self._motion(_from_base(base, write, vectors), modes)

    def _read_motion(self, reader: FrameReader, references: int, base: Sequence[Vectors] | None) -> Motion:
        size, row = self.shape.latents, self.predicted.motion_row
        nothing = [np.zeros((2, *size), np.int32)] * references
        if references == 1:
            return self._motion(_from_base(base, lambda n, _: reader.vectors(size, row), nothing))
        modes = reader.modes(size, row)

        def read(n: int, _: Vectors) -> Vectors:
            rows, unused = _FIELDS[n]
            return reader.vectors(size, row + rows * VECTOR_ROWS, modes != unused)

        return self._motion(_from_base(base, read, nothing), modes)

    def _motion(self, vectors: Sequence[Vectors], modes: Modes | None = None) -> Motion:
        """Of arrays."""
        fields = tuple(torch.from_numpy(own)[None].to(self.device).long() for own in vectors)
        return Motion(fields, None if modes is None else torch.from_numpy(modes)[None].to(self.device).long())

    def _prediction(self, references: Sequence[Shown], motion: Motion) -> Prediction:
        return predicted([self._references(reference) for reference in references], motion, self.shape.colours)

    def _draw_intra(self, y_hat: Tensor, gain_index: int) -> Shown:
        return Shown(self.shape.samples(self.intra.rgb(_in_steps(y_hat), gain_index)))

    def _drawn(self, y_hat: Tensor, prediction: Prediction, gain_index: int) -> Shown:
        return Shown(self.shape.samples(self.predicted.rgb(_in_steps(y_hat), prediction, gain_index)))


def _from_base(
    base: Sequence[Vectors] | None, code: Callable[[int, Vectors], Vectors], vectors: Sequence[Vectors]
) -> list[Vectors]:
    """Fields of vectors that are coded as what they are beyond those expected, field by field."""
    if base is None:
        return [code(n, own) for n, own in enumerate(vectors)]
    return [there + code(n, own - there) for n, (own, there) in enumerate(zip(vectors, base, strict=True))]


def _in_steps(y_hat: Tensor) -> Tensor:
    return y_hat.to(torch.float32) / (1 << MEAN_BITS)


def _on_host(y: Tensor, z: Tensor) -> LatentPlanes:
    return {"y": y[0].double().contiguous().cpu().numpy(), "z": z[0].double().contiguous().cpu().numpy()}
