"""One codec at one setting of everything but quality: what the adapters in this folder make."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....formats.errors import FormatError, UnsupportedError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AnchorCodec:
    """A codec of still pictures, uint8 (H, W, 3), whose every byte counts.

    `qualities` are values of the codec's own scale, named in `settings`, in order of rising rate, which they
    take from about 0.1 to 2 bits per pixel of a photograph. `find` returns the versions of library and encoder,
    or raises ImportError or FileNotFoundError, saying what is absent and where to get it. `write` and `read` do
    the work and may raise anything.
    """

    name: str
    settings: str
    qualities: tuple[float, ...]
    find: Callable[[], str]
    write: Callable[[Pixels, float], bytes]
    read: Callable[[bytes], Pixels]

    def version(self) -> str:
        """Versions of library and encoder. Raises ImportError, one line, where the codec is absent."""
        try:
            return self.find()
        except (ImportError, FileNotFoundError) as error:
            raise ImportError(f"{self.name} is absent: {error}") from error

    def absence(self) -> str | None:
        """None where the codec can be used, otherwise one line that says what is absent and where to get it."""
        try:
            self.version()
        except ImportError as error:
            return str(error)
        return None

    def encode(self, pixels: Pixels, quality: float) -> bytes:
        """The file or stream of a picture uint8 (H, W, 3) at a quality of the codec's own scale.

        Raises ValueError for other pixels, UnsupportedError if the codec cannot take this picture or quality,
        ImportError where the codec is absent.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(f"expected uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}")
        try:
            return self.write(np.ascontiguousarray(pixels), quality)
        except Exception as error:
            self._refuse_if_absent(error)
            what = f"a picture of {pixels.shape[1]} x {pixels.shape[0]} at quality {quality:g}"
            raise UnsupportedError(f"{self.name} cannot code {what}: {_one_line(error)}") from error

    def decode(self, data: bytes) -> Pixels:
        """The picture uint8 (H, W, 3) of what `encode` returned.

        Raises FormatError if the bytes are damaged, ImportError where the codec is absent.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pixels = self.read(data)
        except Exception as error:
            self._refuse_if_absent(error)
            raise FormatError(f"no picture that {self.name} can decode: {_one_line(error)}") from error
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise FormatError(f"no picture that {self.name} can decode: it is {pixels.dtype} {pixels.shape}")
        return pixels

    def _refuse_if_absent(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, (ImportError, FileNotFoundError)):
            self.version()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
