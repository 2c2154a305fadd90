"""Peers: other people's networks, measured in an environment of their own, beside a benchmark of the same pictures."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ...datasets.published import digest
from .results import CodecResults, Results


def read_peer(path: Path, pictures: Sequence[Path]) -> tuple[CodecResults, ...]:
    """The codecs in a file that `compressai_peer` wrote, their samples under the names that these pictures have here.

    Raises ValueError, one line, for another kind of file, or one that was measured on other pictures.
    """
    try:
        peer = Results.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not peer.codecs or any(codec.kind != "peer" for codec in peer.codecs):
        raise ValueError(f"{path}: a benchmark, but not one of peers")
    if peer.pictures_digest != (here := digest(pictures)):
        raise ValueError(
            f"{path}: measured on other pictures: {len(peer.pictures)} of digest {peer.pictures_digest[:16]}, "
            f"not {len(pictures)} of {here[:16]}"
        )
    theirs = sorted((picture.sha256, picture.name) for picture in peer.pictures)
    ours = sorted((sha256(picture.read_bytes()).hexdigest(), picture.name) for picture in pictures)
    names = {old: new for (_, old), (_, new) in zip(theirs, ours, strict=True)}
    return tuple(
        replace(codec, samples=tuple(replace(sample, picture=names[sample.picture]) for sample in codec.samples))
        for codec in peer.codecs
    )
