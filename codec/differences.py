"""Planes of bytes as differences between neighbours, samples of two bytes as planes of bytes: SPEC.md section 5.2."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

AXES: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))  # along which each of the four ways takes differences


def differences(plane: Bytes, way: int) -> Bytes:
    """plane (H, W, ...) -> same: each sample less its neighbours of the way, modulo 256; beyond the border is 0."""
    for axis in AXES[way]:
        plane = np.diff(plane, axis=axis, prepend=np.zeros_like(plane.take([0], axis)))
    return plane


def sums(plane: Bytes, way: int) -> Bytes:
    """The inverse of `differences`."""
    for axis in AXES[way]:
        plane = np.cumsum(plane, axis=axis, dtype=np.uint8)
    return plane


def to_bytes(samples: npt.NDArray[np.unsignedinteger[Any]]) -> Bytes:
    """uint8 as it is; uint16 (H, W, ...) -> (2 H, W, ...), the upper bytes of all and then the lower ones."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return np.concatenate([samples >> 8, samples & 255]).astype(np.uint8)


def from_bytes(planes: Bytes) -> npt.NDArray[np.uint16]:
    """The inverse for uint16: (2 H, W, ...) -> (H, W, ...)."""
    high, low = np.split(planes.astype(np.uint16), 2)
    samples: npt.NDArray[np.uint16] = high * np.uint16(256) + low
    return samples
