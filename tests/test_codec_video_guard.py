"""Where a model meets what it was not made for, the encoder does something else."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from lcodec.codec.video.api import clip_codec
from lcodec.codec.video.colour import Colours
from lcodec.codec.video.encoder import ClipEncoder
from lcodec.codec.video.frame_coder import FrameCoder
from lcodec.codec.video.planes import FrameShape
from lcodec.formats.clip_sections import INTRA

SIZE = 256, 512
OFFSETS = (0, 0, 3, 9, 20, 34, 50, 50, 120)


def page():
    """Black words on white, grey (H, W)."""
    picture = Image.new("L", (SIZE[1], 400), 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    words = ["the", "of", "and", "a", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "as", "they"]
    rng = np.random.default_rng(0)
    for y in range(4, 390, 14):
        draw.text((6, y), " ".join(rng.choice(words, 18)), fill=0, font=font)
    return np.asarray(picture)


def test_no_frame_of_a_page_that_jumps_is_lost():
    codec = clip_codec("video", "cpu")
    coder = FrameCoder(codec._intra, codec._predicted, FrameShape(*SIZE, Colours()))
    encoder = ClipEncoder(coder, lambda: 70.0)
    grey = np.full((SIZE[0] // 2, SIZE[1] // 2), 128, np.uint8)
    frames = [page()[offset : offset + SIZE[0]] for offset in OFFSETS]
    choices = [
        choice for frame in frames for choice in encoder.put(coder.shape.load((frame, grey, grey), coder.device))
    ]
    choices += encoder.finish()
    assert sorted(choice.number for choice in choices) == list(range(len(OFFSETS)))
    assert sum(choice.kind == INTRA for choice in choices) > 1
    for choice in choices:
        error = (choice.shown.planes[0][0, 0] - torch.from_numpy(frames[choice.number].copy())).square().mean()
        assert 10 * np.log10(255**2 / float(error)) > 25, choice.number
