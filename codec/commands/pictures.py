"""The verbs that work on pictures, coded files and models: encode, decode, info, verify, models."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...formats.container import Remains, Stream, unpack
from ...formats.errors import ModelError
from ...formats.files import check_output, read_input, write_output

if TYPE_CHECKING:
    from ..codec import Codec
    from ..decoding import Decoding

from ..client import decode_by, encode_by
from ..jobs import DecodeJob, Done, EncodeJob
from ..target import Target
from .arguments import Verbs, add_input, add_limit, add_machine, add_output, announce, positive, rate, say, start_torch
from .clips import (
    add_bitrate,
    add_clip_decoding,
    add_clip_encoding,
    clip_info,
    decode_clip,
    encode_clip,
    is_clip_to_encode,
    is_coded_clip,
    verify_clip,
)
from .sizes import parse_size

_DEFAULT_MODEL = "base"


def add_picture_verbs(verbs: Verbs) -> None:
    encode = verbs.add("encode", _encode, "compress a picture or a clip")
    add_input(
        encode,
        "picture: PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or still GIF; clip: mp4, mkv, ...; - is standard input",
    )
    add_output(encode, "coded file; - is standard output")
    wanted = encode.add_mutually_exclusive_group()
    wanted.add_argument("-q", "--quality", type=rate, help="0 to 100, real, or lossless (default 75)")
    wanted.add_argument("--size", type=_size, help="the best quality within so many bytes, such as 200kB")
    wanted.add_argument("--bpp", type=float, help="the same in bits per pixel")
    wanted.add_argument("--psnr", type=float, metavar="DB", help="the lowest quality with so many decibels")
    wanted.add_argument("--ssim", type=float, help="the lowest quality with such an SSIM, below 1")
    add_bitrate(wanted)
    encode.add_argument("-m", "--model", help="see `lcodec models` (default base, of clips video)")
    encode.add_argument("--effort", type=int, default=0, help="0 to 9: smaller files for more time (default 0)")
    encode.add_argument(
        "--tile",
        type=positive,
        metavar="SIDE",
        help="code tiles of this side by themselves (default: 1024 above 4 Mpx)",
    )
    _add_server(encode)
    encode.add_argument("--comment", help="text to store in the file")
    encode.add_argument("--strip", action="store_true", help="without ICC and XMP, and of EXIF only the orientation")
    add_clip_encoding(encode)
    add_machine(encode)

    decode = verbs.add("decode", _decode, "decompress to a picture or a clip")
    add_input(decode, "coded file; - is standard input")
    text = "picture: .png .ppm .bmp .tif .webp (lossless), .jpg, .avif; "
    text += "clip: .mkv .mp4 .mov .webm .avi .nut .y4m, %%04d.png; - is standard output, PNG or y4m"
    add_output(decode, text)
    part = decode.add_mutually_exclusive_group()
    part.add_argument(
        "--region", type=_region, metavar="X,Y,W,H", help="only these pixels, and only the tiles they need"
    )
    part.add_argument("--partial", action="store_true", help="of a file that is cut, a preview from what is there")
    part.add_argument("--salvage", action="store_true", help="of a damaged file, what can be had; grey for the rest")
    _add_onnx(decode)
    _add_server(decode)
    add_clip_decoding(decode)
    add_limit(decode)
    add_machine(decode)

    info = verbs.add("info", _info, "what a coded file says of itself")
    add_input(info, "coded file; - is standard input")
    info.add_argument("--json", action="store_true", help="as one line of JSON")
    info.add_argument("--machine", action="store_true", help="also what this machine would compute it with")

    verify = verbs.add("verify", _verify, "check a coded file's sections and decode its symbols")
    add_input(verify, "coded file; - is standard input")
    _add_onnx(verify)
    add_limit(verify)
    add_machine(verify)

    models = verbs.add("models", _models, "the models: which weights are where on this machine, and their state")
    task = models.add_mutually_exclusive_group()
    task.add_argument("--verify", action="store_true", help="read the files and compare their SHA-256")
    task.add_argument("--path", metavar="NAME", help="print only where the weights of this model are")
    task.add_argument("--add", type=Path, metavar="FILE", help="keep a model file of your own; print its name")
    task.add_argument("--fetch", metavar="NAME", help="download them from $LCODEC_RELEASES; print where they are")
    models.add_argument("--json", action="store_true", help="as one line of JSON")


def _encode(options: argparse.Namespace) -> None:
    if is_clip_to_encode(options):
        encode_clip(options)
        return
    check_output(options.output, options.force)
    data = read_input(options.input)
    target = {name: value for name in ("size", "bpp", "psnr", "ssim") if (value := getattr(options, name)) is not None}
    names = ("quality", "effort", "tile", "comment", "strip")
    job = EncodeJob(target=Target(**target) if target else None, **{name: getattr(options, name) for name in names})
    if options.server:
        done = encode_by(options.server, job, options.model or _DEFAULT_MODEL, data)
    else:
        done = job.run(data, lambda: _codec(options), partial(start_torch, options))
    _finish(options, done)


def _codec(options: argparse.Namespace) -> "Codec":
    from ..api import codec

    return codec(options.model or _DEFAULT_MODEL, options.device)


def _finish(options: argparse.Namespace, done: Done) -> None:
    for note in done.notes:
        say(note)
    write_output(options.output, done.data, options.force)


def _decode(options: argparse.Namespace) -> None:
    if is_coded_clip(options.input):
        decode_clip(options)
        return
    check_output(options.output, options.force)
    data = read_input(options.input)
    suffix = ".png" if options.output == "-" else Path(options.output).suffix.lower()
    names = ("region", "partial", "salvage", "max_pixels")
    job = DecodeJob(suffix, **{name: getattr(options, name) for name in names})
    job.check()
    if options.server:
        done = decode_by(options.server, job, data)
    else:
        done = job.run(data, partial(_decoder, options), announce if options.onnx else partial(start_torch, options))
    _finish(options, done)


def _add_server(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--server", metavar="SOCKET", help="let the server of `lcodec serve` at this socket do it")


def _add_onnx(verb: argparse.ArgumentParser) -> None:
    text = "with onnxruntime and the model in this folder of `lcodec export --to onnx`, without torch (repeatable)"
    verb.add_argument("--onnx", action="append", metavar="DIR", help=text)


def _decoder(options: argparse.Namespace, file: Stream | Remains) -> "Decoding":
    """What decodes a file on the machine that the options say."""
    if options.onnx:
        from ..decoder import Decoder

        return Decoder(*options.onnx, threads=options.threads)
    from ..api import codec_for

    return codec_for(file, options.device)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _region(text: str) -> tuple[int, int, int, int]:
    x, y, width, height = map(int, text.split(","))
    return x, y, width, height


def _info(options: argparse.Namespace) -> None:
    if is_coded_clip(options.input):
        clip_info(options)
        return
    from ..api import info

    about = info(read_input(options.input))
    machine = {}
    if options.machine:
        from ..machine import this_machine

        machine = asdict(this_machine())
    if options.json:
        print(json.dumps(asdict(about) | machine))
        return
    print(f"size      {about.width} x {about.height}")
    without = "lossless" if about.lossless else "of one rate"
    print("quality   " + (without if about.quality is None else f"{about.quality:.2f}"))
    print(f"model     {about.model} (id {about.model_id}, weights {about.weights}, {about.standing})")
    print(f"file      {about.file_bytes} bytes, {about.bpp:.4f} bpp")
    print(f"steps     {' '.join(map(str, about.step_bytes))} bytes")
    drawn = f", {about.drawn_tiles} of {about.tile_count} tiles drawn" if about.drawn_tiles else ""
    print("tiles     " + ("one" if about.tile is None else f"of {about.tile} x {about.tile}") + drawn)
    print(
        f"planes    {about.planes}, {about.depth} bits"
        + (f", alpha in {about.alpha_bytes} bytes" if about.alpha_bytes else "")
    )
    sizes = {"ICC": about.icc_bytes, "EXIF": about.exif_bytes, "XMP": about.xmp_bytes}
    if kept := ", ".join(f"{name} {size} bytes" for name, size in sizes.items() if size):
        print(f"metadata  {kept}")
    if about.comment is not None:
        print(f"comment   {about.comment!a}")
    if machine:
        print(
            "machine   exact networks on {carrier}, blocks of transforms in {blocks}, {threads} threads".format(
                **machine
            )
        )


def _verify(options: argparse.Namespace) -> None:
    if is_coded_clip(options.input):
        verify_clip(options)
        return
    stream = unpack(read_input(options.input), options.max_pixels)
    pixels = stream.header.width * stream.header.height
    if options.onnx:
        announce(pixels)
    else:
        start_torch(options, pixels)
    _decoder(options, stream).verify_stream(stream)
    print("ok: sections and symbols match their checksums")


def _models(options: argparse.Namespace) -> None:
    from ..installed import as_lines, known, look
    from ..registry import by_name
    from ..weights_cache import fetch_weights, find_weights

    if options.add is not None:
        print(_added(options.add))
        return
    name = options.path if options.fetch is None else options.fetch
    entries = known() if name is None else (by_name(name),)
    if options.path is not None:
        find_weights(*entries)
    if options.fetch is not None:
        fetch_weights(*entries)
    rows = look(entries, options.verify)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print("\n".join(as_lines(rows) if name is None else [row.path for row in rows]))
    if damaged := [row.path for row in rows if row.state == "damaged"]:
        raise ModelError(f"damaged: {', '.join(damaged)}")


def _added(path: Path) -> str:
    """The full name of a model file that is now in the cache. Raises ModelError where it holds no usable model."""
    import torch

    from ..gdn_model import GdnTransforms
    from ..model_file import unpack_model
    from ..registry import brought
    from ..weights_cache import store_weights

    data = read_input(str(path))
    model = unpack_model(data, torch.device("cpu"))
    entry = brought("compressai" if isinstance(model.transforms, GdnTransforms) else "own", data)
    store_weights(entry, data)
    return entry.full_name
