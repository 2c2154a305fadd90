"""What the beginnings of files are worth: `python tests/plot_prefixes.py FOLDER OUT.svg`, a table on standard output.

Every picture of the folder is coded by `base`, cut after each coding step, and drawn from what is left; means over the
pictures of the share of bytes and of PSNR.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from lcodec import Codec
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.formats.container import unpack
from lcodec.formats.pictures import read_picture

QUALITIES = (25, 50, 75)


def prefixes(codec: Codec, pixels: np.ndarray, quality: float) -> list[tuple[float, float]]:
    """(share of the bytes, PSNR in dB) after each coding step."""
    data = codec.encode(pixels, quality)
    steps = unpack(data).steps
    ends, position = [], 0
    for step in steps:
        position = data.index(step, position) + len(step)
        ends.append(position + 4)  # and its checksum
    return [(end / len(data), psnr_db(pixels, codec.salvage(data[:end]).pixels)) for end in ends]


def main() -> None:
    folder, out = sys.argv[1:]
    codec = Codec("base", "cpu")
    pictures = [read_picture(path.read_bytes()).pixels for path in sorted(Path(folder).glob("*.png"))]
    matplotlib.rcParams["svg.hashsalt"] = "lcodec"
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    print("| quality | step | share of the bytes | PSNR dB |\n|---:|---:|---:|---:|")
    for quality in QUALITIES:
        means = np.mean([prefixes(codec, pixels, quality) for pixels in pictures], axis=0)
        for step, (share, decibels) in enumerate(means):
            print(f"| {quality} | {step} | {share:.3f} | {decibels:.2f} |", flush=True)
        axes.step(
            [*means[:, 0], 1.0], [*means[:, 1], means[-1, 1]], where="post", marker="o", label=f"quality {quality}"
        )
    axes.set(xlabel="share of the file", ylabel="PSNR dB", xlim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
