"""Clips to files and back, group by group: no more frames are held than a group has."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from ...formats.clip_order import MAX_GROUP
from ...formats.clip_reader import ClipReader
from ...formats.clip_reading import ClipFrame, ClipSource
from ...formats.clip_records import ClipEnd, ClipHead, ModelName, Output, Tracks
from ...formats.clip_sections import INTRA, PREDICTED
from ...formats.clip_writer import ClipWriter
from ...formats.errors import ModelError
from ..codec import Device, device_of
from ..coding_model import CodingModel
from ..model_file import unpack_model
from ..registry import Entry, by_file, by_name
from ..weights_cache import read_weights
from .clip_decoding import DecodedFrame, FrameSymbols, Lost, decode_symbols, decode_units
from .encoder import DEFAULT_PERIOD, Choice, ClipEncoder
from .frame_coder import FrameCoder
from .model_file import load_predicted
from .planes import FrameShape
from .rate_control import FirstPass, RateControl

DEFAULT_MODEL = "video"
DEFAULT_QUALITY = 50.0
_FIRST_PASS_QUALITY = 40.0

# Told the number of frames done so far.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What became of a frame: its kind, its bytes in the file, its mean squared error (see `distortion`)."""

    number: int
    kind: int
    bytes: int
    error: float


@dataclass(frozen=True, slots=True)
class Coded:
    """What became of a clip: its frames in the order of coding, the bytes of the file, how long it is."""

    frames: tuple[FrameReport, ...]
    file_bytes: int
    seconds: float

    def shown(self) -> list[FrameReport]:
        """In the order in which they are shown."""
        return sorted(self.frames, key=lambda frame: frame.number)

    def count(self, kind: int) -> int:
        return sum(frame.kind == kind for frame in self.frames)


class ClipCodec:
    """The models of clips on one device. Threads may share it; it holds no state between calls."""

    def __init__(self, model: str = DEFAULT_MODEL, device: Device = "auto", intra: str | None = None) -> None:
        """model: of predicted frames, `video` or with its weights; intra: of intra frames, the usual one if not named.

        Raises ValueError for a name that is none of such a model, or an absent device, ModelError for absent or
        unusable weights.
        """
        self.device = device_of(device)
        self.predicted_entry = by_name(model)
        if self.predicted_entry.intra is None:
            raise ValueError(f"{model!r} is no model of clips")
        self.intra_entry = by_name(intra or self.predicted_entry.intra)
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
        group: int = MAX_GROUP,
        skips: bool = True,
    ) -> Coded:
        """Code a clip into a file as it comes: what is written at any time can be played.

        Args:
            quality: 0 to 100, real, as of pictures.
            period: frames from one intra frame to the next at most; 1 codes every frame by itself.
            control: says the quality of each frame in place of `quality`.
            group: frames to a group at most, which are coded together; with 1, no frame waits for a later one.
            skips: whether frames that hardly change may repeat an earlier one.

        Raises ValueError for a quality, period or group that is none, and as `ClipSource.events` does.
        """
        if not 0 <= quality <= 100:
            raise ValueError(f"quality is a number from 0 to 100, not {quality!r}")
        if period < 1:
            raise ValueError(f"the period of intra frames is a whole number from 1 on, not {period!r}")
        if not 1 <= group <= MAX_GROUP:
            raise ValueError(f"a group has 1 to {MAX_GROUP} frames, not {group!r}")
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
        asked = control.next if control else lambda: quality
        encoder = ClipEncoder(FrameCoder(self._intra, self._predicted, shape), asked, period, group, skips)
        writer = ClipWriter(file, head)
        times: list[int] = []
        reports: list[FrameReport] = []
        duration = 0

        def write(choices: Iterator[Choice]) -> None:
            for choice in choices:
                before = writer.offset
                _write(writer, choice, times[choice.number])
                reports.append(FrameReport(choice.number, choice.kind, writer.offset - before, choice.error))
                if control:
                    control.took(reports[-1].bytes)
                progress(len(reports))

        for event in source.events():
            if isinstance(event, ClipFrame):
                times.append(event.time)
                duration = event.duration
                write(encoder.put(shape.load(event.planes, self.device)))
            else:
                writer.tracks(event)
        write(encoder.finish())
        writer.finish(duration)
        shown = times[-1] - times[0] + duration if times else 0
        return Coded(tuple(reports), writer.offset, float(shown * source.time_base))

    def first_pass(
        self, source: ClipSource, period: int, group: int = MAX_GROUP, progress: Progress = lambda done: None
    ) -> FirstPass:
        """What the frames of a clip take, for `RateControl`."""
        coded = self.encode(source, _Nowhere(), _FIRST_PASS_QUALITY, period, progress=progress, group=group)
        sizes = tuple(frame.bytes for frame in coded.frames)
        return FirstPass(_FIRST_PASS_QUALITY, sizes, coded.file_bytes - sum(sizes), coded.seconds)

    def decode(self, reader: ClipReader, salvage: bool = False) -> Generator[DecodedFrame | Lost | Tracks | ClipEnd]:
        """Frames as soon as they are there, and what else the file says in between.

        Raises FormatError for damage, also where only the checksum of the symbols tells of it. With `salvage`, frames
        that cannot be decoded come as `Lost`. ModelError where the file needs other models.
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
                wanted = by_file(name.id, name.weights_hash).full_name
                raise ModelError(f"the clip was written with {wanted!r}, and this is {entry.full_name!r}")
        return FrameCoder(self._intra, self._predicted, FrameShape.of(head.picture))


def _write(writer: ClipWriter, choice: Choice, time: int) -> None:
    coded = choice.coded
    if coded is None:
        writer.repeat(time)
    elif choice.kind == INTRA:
        writer.intra(time, choice.gain_index, coded.symbols_crc, coded.data)
    elif choice.kind == PREDICTED:
        writer.predicted(choice.ahead, time, choice.gain_index, coded.symbols_crc, coded.data)
    else:
        writer.between(time, choice.gain_index, coded.symbols_crc, coded.data)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass


def _name(entry: Entry) -> ModelName:
    return ModelName(entry.wire_id, bytes.fromhex(entry.weights))
