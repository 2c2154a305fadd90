"""What encode, decode, info and verify do with clips, and their arguments for that."""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict

from ...formats.clip_kinds import HEAD_BYTES, MAGIC, looks_like_clip
from ...formats.clip_order import MAX_GROUP
from ...formats.errors import FormatError
from ...formats.files import first_bytes, open_input
from .arguments import positive, say, start_torch
from .sizes import parse_bitrate

_SUFFIX = ".lcv"
_SAY_SECONDS = 10.0
# Options of encode that only pictures have, and what they are when not given.
_OF_PICTURES = {"bpp": None, "psnr": None, "ssim": None, "effort": 0, "tile": None, "comment": None,
                "strip": False, "server": None}  # fmt: skip
_OF_PICTURES_DECODED = {"region": None, "onnx": None, "server": None}


def add_clip_encoding(encode: argparse.ArgumentParser) -> None:
    clips = encode.add_argument_group("clips")
    clips.add_argument("--clip", action="store_true", help="the input is a clip, whatever its bytes and names say")
    clips.add_argument("--gop", type=positive, metavar="N", help="an intra frame every N frames at least (default 120)")
    clips.add_argument(
        "--group",
        type=int,
        choices=range(1, MAX_GROUP + 1),
        metavar="N",
        help=f"frames that are coded together, 1 to {MAX_GROUP} (default {MAX_GROUP}); 1 for no delay",
    )


def add_bitrate(wanted: argparse._MutuallyExclusiveGroup) -> None:
    wanted.add_argument(
        "--bitrate", type=_bitrate, help="of a clip: the best within so many bits a second, such as 500k"
    )


def add_clip_decoding(decode: argparse.ArgumentParser) -> None:
    clips = decode.add_argument_group("clips")
    clips.add_argument("--frames", type=_frames, metavar="A-B", help="only these, counted from 0; without sound")
    clips.add_argument("--encoder", metavar="NAME", help="one of FFmpeg's, such as libx265 (default: without loss)")
    clips.add_argument(
        "--encoder-option", action="append", default=[], metavar="KEY=VALUE", help="for it, such as crf=18 (repeatable)"
    )


def is_clip_to_encode(options: argparse.Namespace) -> bool:
    """By what the user says, the name of the output, and the first bytes of the input."""
    if options.clip or any(value is not None for value in (options.gop, options.group, options.bitrate)):
        return True
    return options.output.lower().endswith(_SUFFIX) or looks_like_clip(first_bytes(options.input, HEAD_BYTES))


def is_coded_clip(path: str) -> bool:
    return first_bytes(path, len(MAGIC)) == MAGIC


def encode_clip(options: argparse.Namespace) -> None:
    _refuse(options, _OF_PICTURES, "encode")
    if options.quality == "lossless":
        raise ValueError("clips have no lossless coding yet")
    start_torch(options, 0)
    from ..video.api import ClipWanted
    from ..video.api import encode_clip as encode
    from ..video.clip_codec import DEFAULT_MODEL
    from ..video.encoder import DEFAULT_PERIOD

    wanted = ClipWanted(
        options.quality,
        options.size,
        options.bitrate,
        options.gop or DEFAULT_PERIOD,
        options.group or MAX_GROUP,
        options.model or DEFAULT_MODEL,
    )
    coded, notes = encode(options.input, options.output, wanted, options.device, options.force, _Told("coded"))
    for note in notes:
        say(f"note: {note}")
    speed = f", {8 * coded.file_bytes / coded.seconds / 1000:.1f} kbit/s" if coded.seconds else ""
    say(f"{len(coded.frames)} frames, {coded.file_bytes} bytes{speed}")


def decode_clip(options: argparse.Namespace) -> None:
    _refuse(options, _OF_PICTURES_DECODED, "decode")
    start_torch(options, 0)
    from ...formats.clip_records import DEFAULT_MAX_FRAME_PIXELS
    from ..video.api import decode_clip as decode

    done = decode(
        options.input,
        options.output,
        options.device,
        options.force,
        salvage=options.salvage or options.partial,
        frames=options.frames,
        encoder=options.encoder,
        options=dict(_pair(text) for text in options.encoder_option),
        max_pixels=min(options.max_pixels, DEFAULT_MAX_FRAME_PIXELS),
        progress=_Told("decoded"),
    )
    for note in done.notes:
        say(f"note: {note}")
    for lost in done.lost:
        which = f"frames {lost.first} to {lost.end - 1} are lost" if lost.end > lost.first else "the rest is lost"
        say(f"warning: {which}: {lost.problem}")
    if not done.frames:
        raise FormatError("no frame could be decoded")


def clip_info(options: argparse.Namespace) -> None:
    from ..video.clip_info import clip_info as info

    with open_input(options.input) as file:
        about = info(file)
    if options.json:
        print(json.dumps(asdict(about)))
        return
    print(f"size      {about.width} x {about.height}, {about.chroma}, {about.depth} bits")
    rate = f"{about.rate:.3f}".rstrip("0").rstrip(".") if about.rate else "unknown"
    print(f"frames    {about.frames}, {about.seconds:.3f} s, nominal rate {rate}")
    print(f"          {about.intra_frames} intra, {about.repeated_frames} repeated")
    print(f"quality   {about.quality}, mean of coded frames")
    print(f"models    {about.models[0]} and {about.models[1]}")
    speed = f", {about.bits_per_second / 1000:.1f} kbit/s" if about.bits_per_second else ""
    print(f"file      {about.file_bytes} bytes{speed}")
    print(f"tracks    {about.track_bytes} bytes of sound and subtitles")
    if not about.whole:
        print("cut       the file has no END")


def verify_clip(options: argparse.Namespace) -> None:
    start_torch(options, 0)
    from ...formats.clip_reader import ClipReader
    from ..video.api import clip_codec_of

    with open_input(options.input) as file:
        reader = ClipReader(file)
        count = clip_codec_of(reader.head, options.device).verify(reader)
    print(f"ok: sections and symbols of {count} frames match their checksums")


class _Told:
    """A `Progress` that says how far it is now and then, from the time on when that is worth knowing."""

    def __init__(self, what: str) -> None:
        self._what, self._began = what, time.monotonic()
        self._said = self._began

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            say(f"{done} frames {self._what}, {done / (now - self._began):.1f} a second")


def _refuse(options: argparse.Namespace, others: Mapping[str, object], verb: str) -> None:
    for name, usual in others.items():
        if getattr(options, name) != usual:
            raise ValueError(f"{verb} has no --{name} for clips")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--encoder-option takes KEY=VALUE, not {text!r}")
    return key, value


def _frames(text: str) -> range:
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found:
        raise ValueError
    return found


def _bitrate(text: str) -> float:
    try:
        return parse_bitrate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
