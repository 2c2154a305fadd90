"""Clips to files and back, frame by frame: no more than one frame and the one before is held."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from ...formats.clip_container import ClipEnd, ClipHead, ClipReader, ClipWriter, Lost, ModelName, Output, Tracks
from ...formats.clip_reading import ClipFrame, ClipSource
from ...formats.clip_sections import INTRA
from ...formats.errors import ModelError
from ..codec import Device, device_of
from ..coding_model import CodingModel
from ..model_file import unpack_model
from ..registry import Entry, by_file, by_name
from ..weights_cache import read_weights
from .clip_decoding import DecodedFrame, FrameSymbols, decode_symbols, decode_units
from .encoder import DEFAULT_PERIOD, ClipEncoder
from .frame_coder import FrameCoder
from .model_file import load_predicted
from .planes import FrameShape
from .rate_control import FirstPass, RateControl

DEFAULT_QUALITY = 50.0
_FIRST_PASS_QUALITY = 40.0

# Told the number of frames done so far.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Coded:
    """What became of a clip:

    bytes and kind of each frame, its mean squared error (see `distortion`), how long it is.
    """

    frame_bytes: tuple[int, ...]
    kinds: tuple[int, ...]
    errors: tuple[float, ...]
    file_bytes: int
    seconds: float

    def count(self, kind: int) -> int:
        return self.kinds.count(kind)


class ClipCodec:
    """The models of clips on one device. Threads may share it; it holds no state between calls."""

    def __init__(self, device: Device = "auto") -> None:
        """Raises ValueError for an absent device, ModelError for absent or unusable weights."""
        self.device = device_of(device)
        self.intra_entry, self.predicted_entry = by_name("base"), by_name("video")
        self._intra: CodingModel = unpack_model(read_weights(self.intra_entry), self.device)
        self._predicted = load_predicted(read_weights(self.predicted_entry), self.device)

    def encode(
        self,
        source: ClipSource,
        file: Output,
        quality: float = DEFAULT_QUALITY,
        period: int = DEFAULT_PERIOD,
        control: RateControl | None = None,
        progress: Progress = lambda done: None,
        skips: bool = True,
    ) -> Coded:
        """Code a clip into a file as it comes: what is written at any time can be played.

        Args:
            quality: 0 to 100, real, as of pictures.
            period: frames from one intra frame to the next at most; 1 codes every frame by itself.
            control: says the quality of each frame in place of `quality`.
            skips: whether frames that hardly change may repeat the one before.

        Raises ValueError for a quality or a period that is none, and as `ClipSource.events` does.
        """
        if not 0 <= quality <= 100:
            raise ValueError(f"quality is a number from 0 to 100, not {quality!r}")
        if period < 1:
            raise ValueError(f"the period of intra frames is a whole number from 1 on, not {period!r}")
        head = ClipHead(
            source.picture,
            source.time_base,
            source.rate,
            source.aspect,
            _name(self.intra_entry),
            _name(self.predicted_entry),
            source.track_shift,
        )
        shape = FrameShape.of(source.picture)
        encoder = ClipEncoder(FrameCoder(self._intra, self._predicted, shape), period, skips)
        writer = ClipWriter(file, head)
        sizes: list[int] = []
        kinds: list[int] = []
        errors: list[float] = []
        first_time = last_time = duration = 0
        for event in source.events():
            before = writer.offset
            if not isinstance(event, ClipFrame):
                writer.tracks(event)
                continue
            choice = encoder.next(shape.load(event.planes, self.device), control.next() if control else quality)
            coded = choice.coded
            if coded is None:
                writer.repeat(event.time)
            elif choice.kind == INTRA:
                writer.intra(event.time, choice.gain_index, coded.symbols_crc, coded.data)
            else:
                writer.predicted(event.time, choice.gain_index, coded.symbols_crc, coded.data)
            duration, last_time = event.duration, event.time
            first_time = first_time if sizes else event.time
            sizes.append(writer.offset - before)
            kinds.append(choice.kind)
            errors.append(choice.error)
            if control:
                control.took(sizes[-1])
            progress(len(sizes))
        writer.finish(duration)
        seconds = float((last_time - first_time + duration) * source.time_base)
        return Coded(tuple(sizes), tuple(kinds), tuple(errors), writer.offset, seconds)

    def first_pass(self, source: ClipSource, period: int, progress: Progress = lambda done: None) -> FirstPass:
        """What the frames of a clip take, for `RateControl`."""
        coded = self.encode(source, _Nowhere(), _FIRST_PASS_QUALITY, period, progress=progress)
        other = coded.file_bytes - sum(coded.frame_bytes)
        return FirstPass(_FIRST_PASS_QUALITY, coded.frame_bytes, other, coded.seconds)

    def decode(self, reader: ClipReader, salvage: bool = False) -> Generator[DecodedFrame | Lost | Tracks | ClipEnd]:
        """Frames as soon as they are there, and what else the file says in between.

        Raises FormatError for damage, also where only the checksum of the symbols tells of it. With `salvage`, frames
        that cannot be decoded come as `Lost`. ModelError where the file needs other weights.
        """
        return decode_units(self._coder(reader.head), reader, salvage)

    def verify(self, reader: ClipReader) -> int:
        """Decode all symbols and compare their checksums; the number of frames. Raises as `decode` does."""
        coder, count = self._coder(reader.head), 0
        for item in decode_symbols(coder, reader):
            count += isinstance(item, FrameSymbols)
        return count

    def _coder(self, head: ClipHead) -> FrameCoder:
        for name, entry in ((head.intra, self.intra_entry), (head.predicted, self.predicted_entry)):
            if name != _name(entry):
                wanted = by_file(name.id, name.weights_hash)
                raise ModelError(
                    f"the clip was written with {wanted.full_name!r}, and this version has {entry.full_name!r}"
                )
        return FrameCoder(self._intra, self._predicted, FrameShape.of(head.picture))


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass


def _name(entry: Entry) -> ModelName:
    return ModelName(entry.wire_id, bytes.fromhex(entry.weights))
