"""Frames to bytes and back: an intra frame by the model of still pictures, others predicted from the one before.

```
samples ─► vectors (search) ─► prediction ─► latents ─► bytes ─► latents ─► samples of the decoder ─► next frame
```
What a decoder keeps from frame to frame is a `State`: the samples that it shows, and decoded latents. Probabilities follow from
latents and vectors alone, which are exact; samples, in floating point, only from the transforms on, and rounded.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...entropy.coder import CoderError
from ...entropy.fixed import MEAN_BITS
from ...entropy.frame_stream import FrameReader, FrameWriter
from ...entropy.past import Earlier
from ..coding_model import CodingModel
from ..transforms.stride import STRIDE
from .model import motion_sizes
from .motion import Reference, predict_planes
from .motion_search import search
from .planes import FrameShape
from .predicted_model import PredictedModel

Planes = tuple[Tensor, Tensor]  # luma (1, 1, H, W) and chroma (1, 2, H', W'), padded: see `FrameShape`


@dataclass(frozen=True, slots=True)
class State:
    """After a frame: its decoded samples, the exact latents of the last intra frame, and its own where it was predicted."""

    planes: Planes
    intra: Tensor
    last: Tensor | None
    references: list[Reference]

    def prepared(self) -> list[Reference]:
        """Its planes with samples between pixels, made once."""
        if not self.references:
            self.references.extend(Reference(plane) for plane in (self.planes[0], *self.planes[1].split(1, 1)))
        return self.references


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
        return CodedFrame(writer.bytes(), writer.crc, self._after_intra(y_hat, gain_index))

    @torch.inference_mode()
    def decode_intra(self, data: bytes, gain_index: int) -> tuple[State, int]:
        """The state after it and the checksum of its symbols. Raises CoderError."""
        reader = FrameReader(self.intra.coder, data)
        y_hat = self.intra.prior.walk(gain_index, self.shape.latents, reader, self.device)
        reader.finish()
        return self._after_intra(y_hat, gain_index), reader.crc

    @torch.inference_mode()
    def encode_predicted(self, planes: Planes, before: State, gain_index: int, bit_cost: float) -> CodedFrame:
        """bit_cost: what a bit of vectors weighs against absolute differences in luminance, in levels of 8 bits."""
        model = self.predicted
        references = before.prepared()
        vectors = search(planes[0], before.planes[0], references[0], bit_cost * 2.0 ** (self.shape.colours.depth - 8))
        predicted = self._prediction(references, vectors)
        y, z = model.latents(self.shape.colours.to_rgb(*planes), predicted, gain_index)
        writer = FrameWriter(model.coder, _on_host(y, z))
        writer.vectors(vectors[0].to(torch.int32).cpu().numpy(), model.vector_row)
        y_hat = model.prior.walk(
            gain_index, self.shape.latents, writer, self.device, self._earlier(before, vectors)
        )
        return CodedFrame(writer.bytes(), writer.crc, self._after(y_hat, predicted, before, gain_index))

    @torch.inference_mode()
    def decode_predicted(self, data: bytes, before: State, gain_index: int) -> tuple[State, int]:
        """As `decode_intra`."""
        model = self.predicted
        reader = FrameReader(model.coder, data)
        vectors = torch.from_numpy(reader.vectors(self.shape.latents, model.vector_row))[None].to(self.device).long()
        earlier = self._earlier(before, vectors)
        y_hat = model.prior.walk(gain_index, self.shape.latents, reader, self.device, earlier)
        reader.finish()
        predicted = self._prediction(before.prepared(), vectors)
        return self._after(y_hat, predicted, before, gain_index), reader.crc

    def _prediction(self, references: list[Reference], vectors: Tensor) -> Tensor:
        luma, blue, red = references
        colours = self.shape.colours
        return colours.to_rgb(*predict_planes(luma, (blue, red), vectors, colours.halved))

    def _earlier(self, before: State, vectors: Tensor) -> Earlier:
        last = torch.zeros_like(before.intra) if before.last is None else before.last
        return Earlier(before.intra, last, motion_sizes(vectors).to(before.intra.dtype))

    def _after_intra(self, y_hat: Tensor, gain_index: int) -> State:
        rgb = self.intra.rgb(_in_steps(y_hat), gain_index)
        return State(self.shape.rounded(rgb), y_hat, None, [])

    def _after(self, y_hat: Tensor, predicted: Tensor, before: State, gain_index: int) -> State:
        rgb = self.predicted.rgb(_in_steps(y_hat), predicted, gain_index)
        return State(self.shape.rounded(rgb), before.intra, y_hat, [])


def _in_steps(y_hat: Tensor) -> Tensor:
    return y_hat.to(torch.float32) / (1 << MEAN_BITS)


def _on_host(y: Tensor, z: Tensor) -> dict[str, "np.ndarray"]:
    return {"y": y[0].double().contiguous().cpu().numpy(), "z": z[0].double().contiguous().cpu().numpy()}
