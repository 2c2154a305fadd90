"""Peers: other people's networks, measured in an environment of their own, beside a benchmark of the same pictures."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .results import CodecResults, PictureFacts, Results


def read_peer(path: Path, results: Results) -> tuple[CodecResults, ...]:
    """The codecs in a file that `compressai_peer` wrote, their samples under the names of pictures in `results`.

    Raises ValueError, one line, for another kind of file, or one that was measured on other pictures.
    """
    try:
        peer = Results.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not peer.codecs or any(codec.kind != "peer" for codec in peer.codecs):
        raise ValueError(f"{path}: a benchmark, but not one of peers")
    if peer.pictures_digest != results.pictures_digest:
        raise ValueError(
            f"{path}: measured on other pictures: {len(peer.pictures)} of digest {peer.pictures_digest[:16]}, "
            f"not {len(results.pictures)} of {results.pictures_digest[:16]}"
        )
    pairs = zip(_by_content(peer.pictures), _by_content(results.pictures), strict=True)
    names = {theirs.name: ours.name for theirs, ours in pairs}
    return tuple(
        replace(codec, samples=tuple(replace(sample, picture=names[sample.picture]) for sample in codec.samples))
        for codec in peer.codecs
    )


def _by_content(pictures: Iterable[PictureFacts]) -> list[PictureFacts]:
    return sorted(pictures, key=lambda picture: (picture.sha256, picture.name))
