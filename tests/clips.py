"""Clips for tests: a picture under a moving camera, with a tone beside it."""

from fractions import Fraction

import av
import numpy as np
from checks import picture

TONE_RATE = 48000


def moving_frames(height, width, count, seed=0, step=(1, 2)):
    """uint8 (count, H, W, 3): a window that goes over a larger picture."""
    whole = picture(height + step[0] * count, width + step[1] * count, seed)
    corners = [(step[0] * n, step[1] * n) for n in range(count)]
    return np.stack([whole[y : y + height, x : x + width] for y, x in corners])


def other_frames(height, width, count, seed=0):
    """Like `moving_frames`, of another scene: patches of any colour."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (height // 32 + 2, width // 32 + 2, 3)).astype(np.uint8)
    whole = patches.repeat(32, 0).repeat(32, 1)
    return np.stack([whole[n : n + height, n : n + width] for n in range(count)])


def write_clip(
    path,
    frames,
    pixel_format="yuv420p",
    codec="ffv1",
    times=None,
    time_base=Fraction(1, 25),
    tone=False,
    options=None,
    rate=25,
):
    """Write frames (n, H, W, 3); times count time_base."""
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=rate, options=options or {})
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], pixel_format
        video.time_base = video.codec_context.time_base = time_base
        sound = file.add_stream("aac", rate=TONE_RATE) if tone else None
        for n, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = n if times is None else times[n], time_base
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if sound is not None:
            seconds = np.arange(TONE_RATE // 2) / TONE_RATE
            wave = (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
            for first in range(0, wave.size, 1024):
                part = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], format="fltp", layout="mono")
                part.sample_rate, part.pts = TONE_RATE, first
                file.mux(sound.encode(part))
            file.mux(sound.encode(None))


def packets(path, kind):
    """(seconds, bytes) of the packets of the streams of a kind."""
    with av.open(str(path)) as file:
        found = [p for p in file.demux() if p.dts is not None and p.stream.type == kind]
        return [(float(p.pts * p.time_base), bytes(p)) for p in found]


def seconds_of(path):
    """When each frame is shown."""
    with av.open(str(path)) as file:
        return [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]


def samples_of(path, pixel_format=None):
    """The planes of all frames as PyAV gives them."""
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format=pixel_format or frame.format.name) for frame in file.decode(video=0)]
