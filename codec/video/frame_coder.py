"""Frames to bytes and back: an intra frame by the model of still pictures, others predicted from the one before.

```
samples ─► vectors (search) ─► prediction ─► latents ─► bytes ─► latents ─► samples of the decoder ─► next frame
```
What a decoder keeps from frame to frame is a `State`: decoded latents, which are exact and which probabilities follow
from, and the samples that it shows, which are not quite. So the symbols of frames can be decoded before any of their
samples are drawn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...entropy.fixed import MEAN_BITS
from ...entropy.frame_stream import FrameReader, FrameWriter, LatentPlanes
from ...entropy.past import Earlier
from ..coding_model import CodingModel
from .model import motion_sizes
from .motion import Reference, predict_planes
from .motion_search import search
from .planes import FrameShape
from .predicted_model import PredictedModel

Planes = tuple[Tensor, Tensor]  # luma (1, 1, H, W) and chroma (1, 2, H', W'), padded: see `FrameShape`


@dataclass(frozen=True, slots=True)
class Known:
    """Exact latents (1, M, h, w): of the last intra frame, and of the last frame where it was predicted."""

    intra: Tensor
    last: Tensor | None


@dataclass(frozen=True, slots=True)
class Symbols:
    """A frame whose symbols are decoded: its latents, its vectors where it is predicted, what the next one needs."""

    y_hat: Tensor
    vectors: Tensor | None
    crc: int
    known: Known


@dataclass(frozen=True, slots=True)
class Shown:
    """The samples of a frame, not rounded: what is shown, and what the next one is predicted from."""

    planes: Planes

    def references(self) -> tuple[Reference, Reference, Reference]:
        """Each plane with samples between pixels."""
        luma, chroma = self.planes
        return Reference(luma), Reference(chroma[:, :1]), Reference(chroma[:, 1:])


@dataclass(frozen=True, slots=True)
class State:
    """What there is after a frame."""

    known: Known
    shown: Shown


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """The bytes of a frame, the checksum of its symbols, and what a decoder will have after it."""

    data: bytes
    symbols_crc: int
    state: State


class FrameCoder:
    """Codes frames of one shape. Holds no state between calls."""

    def __init__(self, intra: CodingModel, predicted: PredictedModel, shape: FrameShape) -> None:
        self.intra, self.predicted, self.shape = intra, predicted, shape
        self.device = predicted.device

    @torch.inference_mode()
    def encode_intra(self, planes: Planes, gain_index: int) -> CodedFrame:
        pixels = self.shape.colours.to_rgb(*planes)[0].permute(1, 2, 0) * 255
        y, z = self.intra.latents(pixels, gain_index)
        writer = FrameWriter(self.intra.coder, _on_host(y, z))
        y_hat = self.intra.prior.walk(gain_index, self.shape.latents, writer, self.device)
        state = State(Known(y_hat, None), self._draw_intra(y_hat, gain_index))
        return CodedFrame(writer.bytes(), writer.crc, state)

    @torch.inference_mode()
    def encode_predicted(self, planes: Planes, before: State, gain_index: int, bit_cost: float) -> CodedFrame:
        """bit_cost: what a bit of vectors weighs against absolute differences in luminance, in levels of 8 bits."""
        model = self.predicted
        references = before.shown.references()
        cost = bit_cost * 2.0 ** (self.shape.colours.depth - 8)
        vectors = search(planes[0], before.shown.planes[0], references[0], cost)
        predicted = self._prediction(references, vectors)
        y, z = model.latents(self.shape.colours.to_rgb(*planes), predicted, gain_index)
        writer = FrameWriter(model.coder, _on_host(y, z))
        writer.vectors(vectors[0].to(torch.int32).cpu().numpy(), model.vector_row)
        earlier = _earlier(before.known, vectors)
        y_hat = model.prior.walk(gain_index, self.shape.latents, writer, self.device, earlier)
        state = State(Known(before.known.intra, y_hat), self._drawn(y_hat, predicted, gain_index))
        return CodedFrame(writer.bytes(), writer.crc, state)

    @torch.inference_mode()
    def symbols(self, data: bytes, before: Known | None, gain_index: int) -> Symbols:
        """Decode the exact half of a frame; of an intra frame, without what was before. Raises CoderError."""
        coder = self.intra.coder if before is None else self.predicted.coder
        reader = FrameReader(coder, data)
        if before is None:
            y_hat = self.intra.prior.walk(gain_index, self.shape.latents, reader, self.device)
            vectors, known = None, Known(y_hat, None)
        else:
            model = self.predicted
            found = reader.vectors(self.shape.latents, model.vector_row)
            vectors = torch.from_numpy(found)[None].to(self.device).long()
            earlier = _earlier(before, vectors)
            y_hat = model.prior.walk(gain_index, self.shape.latents, reader, self.device, earlier)
            known = Known(before.intra, y_hat)
        reader.finish()
        return Symbols(y_hat, vectors, reader.crc, known)

    @torch.inference_mode()
    def draw(self, symbols: Symbols, before: Shown | None, gain_index: int) -> Shown:
        """The other half, in floating point."""
        if symbols.vectors is None:
            return self._draw_intra(symbols.y_hat, gain_index)
        assert before is not None
        return self._drawn(symbols.y_hat, self._prediction(before.references(), symbols.vectors), gain_index)

    def _prediction(self, references: tuple[Reference, Reference, Reference], vectors: Tensor) -> Tensor:
        luma, *chroma = references
        colours = self.shape.colours
        return colours.to_rgb(*predict_planes(luma, chroma, vectors, colours.halved))

    def _draw_intra(self, y_hat: Tensor, gain_index: int) -> Shown:
        return Shown(self.shape.samples(self.intra.rgb(_in_steps(y_hat), gain_index)))

    def _drawn(self, y_hat: Tensor, predicted: Tensor, gain_index: int) -> Shown:
        return Shown(self.shape.samples(self.predicted.rgb(_in_steps(y_hat), predicted, gain_index)))


def _earlier(before: Known, vectors: Tensor) -> Earlier:
    last = torch.zeros_like(before.intra) if before.last is None else before.last
    return Earlier(before.intra, last, motion_sizes(vectors).to(before.intra.dtype))


def _in_steps(y_hat: Tensor) -> Tensor:
    return y_hat.to(torch.float32) / (1 << MEAN_BITS)


def _on_host(y: Tensor, z: Tensor) -> LatentPlanes:
    return {"y": y[0].double().contiguous().cpu().numpy(), "z": z[0].double().contiguous().cpu().numpy()}
