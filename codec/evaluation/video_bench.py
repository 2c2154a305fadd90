"""`lcodec bench video`: rate, distortion and speed of clips, beside other codecs on the same frames.

Every point is a real file, decoded and compared frame by frame. What was measured is kept in `points.json` of the
folder of the report, so that a run goes on where one before it ended.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .bd_rate import bd_rate
from .video_codecs import Clip, VideoCodec
from .video_metrics import frame_scores

SUFFIXES = (".mkv", ".mp4", ".y4m", ".mov", ".webm", ".avi")
_POINTS = "points.json"

# Told what is done of how many, and what.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Point:
    """A clip by a codec at a quality: means over frames of `FrameScores`, bits a second of file, frames a second."""

    clip: str
    codec: str
    version: str
    settings: str
    quality: float
    frames: int
    bits_per_second: float
    yuv_db: float
    rgb_db: float
    ms_ssim: float | None
    encode_fps: float
    decode_fps: float
    threads: int
    frame_bytes: tuple[int, ...]
    frame_yuv_db: tuple[float, ...]


def find_clips(folder: Path) -> list[Path]:
    """The clips of a folder by name. Raises ValueError where there is none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ValueError(f"no clips in {folder}")
    return found


def measure(
    paths: Sequence[Path],
    codecs: Sequence[VideoCodec],
    folder: Path,
    qualities: Sequence[float] | None,
    most_frames: int | None,
    threads: int,
    progress: Progress,
) -> list[Point]:
    """All points, those from before included. `qualities`: of our own codecs."""
    store = _Store(folder / _POINTS)
    work = [
        (path, codec, quality)
        for path in paths
        for codec in codecs
        for quality in (qualities if qualities and codec.name.startswith("lcodec") else codec.qualities)
    ]
    clip: Clip | None = None
    points = []
    for done, (path, codec, quality) in enumerate(work):
        key = _key(path, codec, quality, most_frames)
        if (point := store.find(key)) is None:
            if clip is None or clip.path != str(path):
                clip = Clip.read(str(path), most_frames)
            point = _point(path, clip, codec, quality, threads)
            store.add(key, point)
        points.append(point)
        progress(done + 1, len(work), f"{path.stem} {codec.name} {quality:g}")
    return points


def _point(path: Path, clip: Clip, codec: VideoCodec, quality: float, threads: int) -> Point:
    coded = codec.run(clip, quality, threads)
    if len(coded.planes) != len(clip.frames):
        raise ValueError(f"{codec.name} gave {len(coded.planes)} frames of {len(clip.frames)} of {path.name} back")
    scores = [
        frame_scores(clip.picture, planes, frame.planes)
        for planes, frame in zip(coded.planes, clip.frames, strict=True)
    ]
    similar = [score.ms_ssim for score in scores if score.ms_ssim is not None]
    return Point(
        clip=path.stem,
        codec=codec.name,
        version=codec.version,
        settings=codec.settings,
        quality=quality,
        frames=len(scores),
        bits_per_second=8 * coded.file_bytes / clip.seconds,
        yuv_db=float(np.mean([score.yuv_db for score in scores])),
        rgb_db=float(np.mean([score.rgb_db for score in scores])),
        ms_ssim=float(np.mean(similar)) if similar else None,
        encode_fps=len(scores) / coded.encode_s,
        decode_fps=len(scores) / coded.decode_s,
        threads=threads,
        frame_bytes=coded.frame_bytes,
        frame_yuv_db=tuple(round(score.yuv_db, 3) for score in scores),
    )


def percents(points: Sequence[Point], codec: str, anchor: str, measure: str) -> dict[str, float]:
    """BD-rate of a codec against another, clip by clip; clips whose curves share nothing are left out."""
    found = {}
    for clip in dict.fromkeys(point.clip for point in points):
        curves = []
        for name in (anchor, codec):
            own = [point for point in points if point.clip == clip and point.codec == name]
            values = [getattr(point, measure) for point in own]
            if None in values:
                break
            # As in decibels, so that the interpolation sees something like a line.
            quality = [-10 * np.log10(max(1e-9, 1 - v)) if measure == "ms_ssim" else v for v in values]
            curves += [[point.bits_per_second for point in own], quality]
        if len(curves) == 4:
            try:
                found[clip] = bd_rate(curves[0], curves[1], curves[2], curves[3]).percent
            except ValueError:
                continue
    return found


class _Store:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._points: dict[str, dict[str, object]] = json.loads(path.read_text()) if path.exists() else {}

    def find(self, key: str) -> Point | None:
        if (found := self._points.get(key)) is None:
            return None
        lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
        return Point(**{**found, **lists})  # type: ignore[arg-type]

    def add(self, key: str, point: Point) -> None:
        self._points[key] = asdict(point)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._points))
        os.replace(temporary, self._path)


def _key(path: Path, codec: VideoCodec, quality: float, most_frames: int | None) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{digest} {codec.name} {codec.version} {codec.settings} {quality:g} {most_frames or 'all'}"
