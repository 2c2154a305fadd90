"""What a benchmark can measure, by name: models of ours and other people's codecs, behind one face."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...formats.container import unpack
from ..api import codec, codec_for
from ..registry import BROUGHT, MODELS, Entry, by_name
from . import anchor_codecs
from .results import Kind

if TYPE_CHECKING:
    from ..codec import Device

Pixels = NDArray[np.uint8]

# The names people say, and the row of the registry that stands for them.
SHORT_NAMES = {
    "jpeg": "jpeg-420",
    "webp": "webp-m6",
    "jpeg2000": "jpeg2000-openjpeg",
    "avif": "avif-aom-s6",
    "jxl": "jxl-e7",
    "heic": "heic-x265-slow-444",
    "svt-av1": "svtav1-p4-420",
    "x264": "x264-444",
    "x265": "x265-444",
    "vp9": "vp9-444",
    "avifenc": "avifenc-s6-10bit",
    "aomenc": "aomenc-cpu0-444-10bit",
    "mozjpeg": "mozjpeg-420",
    "vvc": "vvenc-medium-420",
    "vtm": "vtm-444",
}
MODEL_QUALITIES = (0.0, 12.5, 25.0, 37.5, 50.0, 62.5, 75.0, 87.5, 100.0)


@dataclass(frozen=True, slots=True)
class Subject:
    """A codec under test. `qualities` are of its own scale; `encode` returns whole files, whose every byte counts.

    `version` names libraries and weights: it is part of what results are cached by. The qualities of models of one rate
    cannot be chosen.
    """

    name: str
    kind: Kind
    settings: str
    version: str
    qualities: tuple[float, ...]
    encode: Callable[[Pixels, float], bytes]
    decode: Callable[[bytes], Pixels]
    one_rate: bool = False


def is_model(name: str) -> bool:
    """Whether a name is that of a model of ours, with or without its weights or an effort, or of several."""
    return re.split("[-+@]", name)[0] in {entry.name for entry in (*MODELS, *BROUGHT)}


def find_subject(name: str, device: "Device" = "auto") -> Subject:
    """The codec of a name: `base`, `base-90bd4ae3c818b516`, `base@9` (an effort), `jpeg`, `jpeg-444`, in any case.

    Models of one rate joined by `+` are one codec, whose qualities are their places from 1 on.

    Raises ValueError, listing what there is, for an unknown name; ImportError, one line, for a codec that is absent.
    """
    name = name.lower()
    if is_model(name):
        return _model(name, device)
    try:
        other = anchor_codecs.by_name(SHORT_NAMES.get(name, name))
    except ValueError:
        known = [*(entry.name for entry in MODELS), *SHORT_NAMES, *(c.name for c in anchor_codecs.ANCHOR_CODECS)]
        raise ValueError(f"there is no codec {name!r} to measure; there are: {', '.join(known)}") from None
    return Subject(
        name=other.name,
        kind="anchor",
        settings=other.settings,
        version=other.version(),
        qualities=other.qualities,
        encode=other.encode,
        decode=other.decode,
    )


def find_subjects(names: Sequence[str], device: "Device") -> tuple[list[Subject], list[str]]:
    """The codecs of some names, each once, and a line for each that is absent. ValueError for an unknown name."""
    found: dict[str, Subject] = {}
    absent = []
    for name in names:
        try:
            subject = find_subject(name, device)
            found[subject.name] = subject
        except ImportError as error:
            absent.append(str(error))
    return list(found.values()), absent


def absent_unasked(names: Sequence[str]) -> list[str]:
    """A line for each codec that has a short name, was not asked for, and could not have been measured here."""
    asked = {SHORT_NAMES.get(name.lower(), name.lower()) for name in names}
    others = [anchor_codecs.by_name(full_name) for full_name in SHORT_NAMES.values() if full_name not in asked]
    return [why for other in others if (why := other.absence()) is not None]


def ladder(name: str) -> list[Entry]:
    """The models of a name: one, or several of one rate joined by `+`; its effort aside. Raises ValueError."""
    entries = [by_name(part) for part in name.partition("@")[0].split("+")]
    if len(entries) > 1 and not all(entry.one_rate for entry in entries):
        raise ValueError(f"only models of one rate can be joined, not {name}")
    if any(entry.lossless for entry in entries):
        raise ValueError(f"{name} codes without loss: it has no curve of rate and distortion")
    return entries


def _model(name: str, device: "Device") -> Subject:
    entries = ladder(name)
    one_rate = entries[0].one_rate
    plain, _, effort_digit = name.partition("@")
    if (one_rate and effort_digit) or effort_digit not in ("", *"0123456789"):
        raise ValueError(f"{plain} has no effort {effort_digit!r}")
    effort = int(effort_digit or 0)
    effort_text = f"effort {effort}, " if effort else ""

    # Loaded when first used, and kept by `codec`: a list of names shall not cost the weights of all.
    def encode(pixels: Pixels, quality: float) -> bytes:
        if one_rate:
            return codec(entries[round(quality) - 1].full_name, device).encode(pixels)
        return codec(plain, device).encode(pixels, quality, effort=effort)

    def decode(data: bytes) -> Pixels:
        return codec_for(unpack(data), device).decode(data)

    from ..codec import device_of
    from ..half_blocks import half_is_faster

    numbers = "float32, gated blocks of one thread in bfloat16" if half_is_faster(device_of(device)) else "float32"
    libraries = ", ".join(f"{library} {metadata.version(library)}" for library in ("torch", "constriction"))
    return Subject(
        name=name,
        kind="lcodec",
        settings=f"{'one rate each' if one_rate else 'quality swept'}, {effort_text}{device} device, {numbers}",
        version=f"lcodec {__version__}, weights {' '.join(entry.weights for entry in entries)}, {libraries}",
        qualities=tuple(float(i + 1) for i in range(len(entries))) if one_rate else MODEL_QUALITIES,
        encode=encode,
        decode=decode,
        one_rate=one_rate,
    )
