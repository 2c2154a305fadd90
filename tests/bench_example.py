"""A small benchmark, made up, for the tests of reports: two pictures, four codecs, three curves."""

from dataclasses import replace
from io import BytesIO

from checks import picture
from PIL import Image

from lcodec.codec.evaluation.equal_rate import Triple
from lcodec.codec.evaluation.results import CodecResults, PictureFacts, Results, Sample
from lcodec.datasets.curves import Curve

NASTY = '</script><b id="injected">&amp;|<!--'

PICTURES = (PictureFacts("a.png", 200, 100, "a" * 64), PictureFacts("b.png", 100, 200, "b" * 64))


def codec(name, kind, factor, **changes):
    """A codec that needs `factor` times as many bytes as the first, for the same PSNR."""
    samples = tuple(
        Sample(
            picture=facts.name,
            quality=10.0 * level,
            file_bytes=round(factor * 400 * 2**level),
            psnr_db=26.0 + 4 * level + shift,
            psnr_yuv_db=27.0 + 4 * level + shift,
            ssim=1 - 0.1 / 2**level,
            ms_ssim=1 - 0.05 / 2**level,
            encode_seconds=0.2 * factor,
            encode_cpu_seconds=0.3 * factor,
            decode_seconds=0.1 / factor,
            decode_cpu_seconds=0.15 / factor,
        )
        for facts, shift in zip(PICTURES, (-0.5, 0.5), strict=True)
        for level in range(4)
    )
    made = CodecResults(
        name=name,
        kind=kind,
        settings="quality swept",
        version="1.0",
        parameters=None,
        encode_kmac_per_px=None,
        decode_kmac_per_px=None,
        peak_memory_bytes=None,
        samples=samples,
    )
    return replace(made, **changes)


OURS = codec(
    "base",
    "lcodec",
    1,
    parameters=1_234_567,
    encode_kmac_per_px=73.25,
    decode_kmac_per_px=88.5,
    peak_memory_bytes=900 * 2**20,
)
RESULTS = Results(
    dataset="holiday",
    pictures_digest="0123456789abcdef" * 4,
    pictures=PICTURES,
    command="lcodec bench holiday --out report",
    machine="a processor, 4 logical processors, Linux",
    version="0.2.0",
    commit="abc1234",
    date="2026-12-01T09:00:00+00:00",
    threads=4,
    jobs=1,
    codecs=(
        codec("jpeg-420", "anchor", 2),
        OURS,
        codec(NASTY, "peer", 0.8, note="a name to be escaped"),
        codec("random", "lcodec", 3, comparable=False, note="random weights"),
    ),
    absent=("vtm needs a program that is not here",),
)
CURVES = (
    Curve("vtm", "holiday", "a paper, https://example.org/vtm", "QP 22 to 37", 2, (0.2, 0.4, 0.8), (28.0, 32.0, 36.0)),
    Curve("far-away", "holiday", "a paper", "", None, (3.0, 4.0), (60.0, 61.0)),
    Curve("one-point", "holiday", "a paper", "", None, (0.4,), (30.0,)),
)


def triples():
    """Two pictures, each three times, with other noise."""
    made = []
    for facts in PICTURES:
        files = []
        for seed in range(3):
            out = BytesIO()
            Image.fromarray(picture(facts.height_px, facts.width_px, seed)).save(out, "WEBP", lossless=True)
            files.append(out.getvalue())
        made.append(
            Triple(
                picture=facts.name,
                width_px=facts.width_px,
                height_px=facts.height_px,
                original=files[0],
                ours=files[1],
                other=files[2],
                ours_name="base",
                other_name=NASTY,
                ours_bytes=1234,
                other_bytes=1250,
                ours_psnr_db=33.25,
                other_psnr_db=float("inf"),
            )
        )
    return made
