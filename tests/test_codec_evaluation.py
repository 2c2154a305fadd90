import math
from dataclasses import astuple

import numpy as np
import pytest

from lcodec.codec.evaluation.bd_rate import bd_psnr, bd_rate
from lcodec.codec.evaluation.metrics import ms_ssim, psnr_db, psnr_yuv_db, ssim
from lcodec.datasets.curves import anchor

pytest.importorskip("scipy", reason="BD-rate needs scipy (extra: bench)")

# BD-rate on Kodak against the VTM 9.1 curve, in percent.
KNOWN = {
    "hpcm-large": -20.0,
    "dcae": -17.0,
    "lalic": -15.3,
    "ftic": -14.6,
    "tcm-large": -11.7,
    "cool-chic-5.0": -6.6,
    "qarv": -5.9,
    "vtm": 0.0,
    "av1": 16.2,
    "mbt2018-mean": 21.3,
    "bpg": 22.0,
    "webp": 78.8,
    "jpeg2000": 98.0,
    "jpeg": 208.5,
}


@pytest.mark.parametrize("name", KNOWN)
def test_bd_rate_of_known_curves(name):
    reference, curve = anchor("vtm"), anchor(name)
    result = bd_rate(reference.bpp, reference.psnr_db, curve.bpp, curve.psnr_db)
    assert result.percent == pytest.approx(KNOWN[name], abs=0.15)
    assert result.low_db == max(min(reference.psnr_db), min(curve.psnr_db))
    assert result.high_db == min(max(reference.psnr_db), max(curve.psnr_db))
    assert result.dropped == 0


# Against the VTM 9.1 curve by the package bjontegaard 1.3.0 of FAU Erlangen: BD-rate in percent, BD-PSNR in dB.
PEER = {
    ("dcae", "pchip"): (-16.977153, 0.821843),
    ("dcae", "akima"): (-17.004751, 0.825250),
    ("lalic", "pchip"): (-15.265378, 0.735603),
    ("lalic", "akima"): (-15.302275, 0.739598),
    ("av1", "pchip"): (16.176907, -0.704795),
    ("av1", "akima"): (16.178581, -0.704185),
}


@pytest.mark.parametrize(("name", "interpolation"), PEER)
def test_deltas_agree_with_another_implementation(name, interpolation):
    reference, curve = anchor("vtm"), anchor(name)
    columns = (reference.bpp, reference.psnr_db, curve.bpp, curve.psnr_db, interpolation)
    percent, gain_db = PEER[name, interpolation]
    assert bd_rate(*columns).percent == pytest.approx(percent, abs=2e-6)
    assert bd_psnr(*columns).gain_db == pytest.approx(gain_db, abs=2e-6)


def test_deltas_of_its_example():
    """Two presets of x265, from that package's README; figures by its version 1.3.0."""
    first = [9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851]
    second = [9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987]
    assert bd_rate(*first, *second).percent == pytest.approx(-4.417485, abs=1e-6)
    assert bd_rate(*first, *second, "akima").percent == pytest.approx(-4.425245, abs=1e-6)
    assert bd_psnr(*first, *second).gain_db == pytest.approx(0.119693, abs=1e-6)
    assert bd_psnr(*first, *second, "akima").gain_db == pytest.approx(0.119409, abs=1e-6)


@pytest.mark.parametrize("delta", [bd_rate, bd_psnr])
def test_interpolations(delta):
    two, more = ([0.1, 0.4], [30.0, 34.0]), ([0.1, 0.2, 0.4], [30.5, 32.5, 34.5])
    through_akima, through_pchip = (astuple(delta(*two, *more, kind)) for kind in ("akima", "pchip"))
    assert through_akima == pytest.approx(through_pchip, abs=1e-9)  # straight lines
    with pytest.raises(ValueError, match="no interpolation 'cubic'; there are: pchip, akima"):
        delta(*two, *more, "cubic")


def test_bd_rate_of_a_constant_saving():
    psnr = [30.0, 33.0, 35.0, 38.0, 41.0]
    bpp = np.array([0.1, 0.3, 0.5, 0.9, 1.7])
    result = bd_rate(bpp, psnr, 0.8 * bpp, psnr)
    assert result.percent == pytest.approx(-20.0, abs=1e-9)
    assert (result.low_db, result.high_db) == (30.0, 41.0)
    assert bd_rate(0.8 * bpp, psnr, bpp, psnr).percent == pytest.approx(25.0, abs=1e-9)


def test_bd_rate_integrates_over_the_shared_range_only():
    # log2(bpp) is linear in PSNR, so any cut of either curve leaves the delta alone
    test = bd_rate([0.25, 0.5, 1, 2], [30, 33, 36, 39], [0.5, 1, 2], [36, 39, 42])
    assert test.percent == pytest.approx(-50.0, abs=1e-9)
    assert (test.low_db, test.high_db) == (36.0, 39.0)


def test_bd_psnr_of_a_constant_gain():
    bpp = [0.1, 0.3, 0.5, 0.9]
    result = bd_psnr(bpp, [30.0, 33.0, 35.0, 38.0], bpp, [30.5, 33.5, 35.5, 38.5])
    assert result.gain_db == pytest.approx(0.5, abs=1e-9)
    assert (result.low_bpp, result.high_bpp) == pytest.approx((0.1, 0.9))


def test_order_of_points_does_not_matter():
    vtm, curve = anchor("vtm"), anchor("dcae")
    forward = bd_rate(vtm.bpp, vtm.psnr_db, curve.bpp, curve.psnr_db)
    assert bd_rate(vtm.bpp[::-1], vtm.psnr_db[::-1], curve.bpp[::-1], curve.psnr_db[::-1]) == forward


def test_dominated_points_are_dropped_and_counted():
    bpp, psnr = [0.1, 0.3, 0.5, 0.9], [30.0, 33.0, 35.0, 38.0]
    clean = bd_rate(bpp, psnr, bpp, psnr)
    # worse and dearer; equal PSNR but dearer; equal rate but worse; a repeat
    messy = bd_rate(bpp, psnr, [*bpp, 0.6, 0.4, 0.9, 0.1], [*psnr, 34.0, 33.0, 37.0, 30.0])
    assert messy.dropped == 4
    assert messy.percent == pytest.approx(clean.percent, abs=1e-9)


@pytest.mark.parametrize(
    ("bpp", "psnr", "message"),
    [
        ([0.1, 0.2], [30.0], "2 rates but 1"),
        ([0.1, math.nan], [30.0, 31.0], "not finite"),
        ([0.1, 0.2], [30.0, math.inf], "not finite"),
        ([0.0, 0.2], [30.0, 31.0], "not positive"),
        ([0.1, 0.2], [31.0, 30.0], "two points"),
        ([0.1], [30.0], "two points"),
        ([], [], "two points"),
        ([0.1, 0.2], [50.0, 51.0], "share no range"),
        ([0.1, 0.2], [39.0, 40.0], "share no range"),
    ],
)
def test_unusable_curves_are_refused(bpp, psnr, message):
    with pytest.raises(ValueError, match=message):
        bd_rate([0.2, 0.4, 0.8], [30.0, 34.0, 39.0], bpp, psnr)


def _picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_psnr():
    a = np.full((17, 31, 3), 100, dtype=np.uint8)
    assert psnr_db(a, a) == math.inf
    assert psnr_db(a, a + 1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr_db(a + 1, a) == psnr_db(a, a + 1)
    assert psnr_db(np.zeros_like(a), np.full_like(a, 255)) == 0.0
    one = a.copy()
    one[0, 0, 2] += 10
    assert psnr_db(a, one) == pytest.approx(10 * math.log10(255**2 * a.size / 100))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (_picture(4, 5), _picture(5, 4)),
        (_picture(4, 5), _picture(4, 5).astype(np.float32)),
        (_picture(4, 5)[:, :, 0], _picture(4, 5)[:, :, 0]),
        (_picture(4, 5)[:, :, :2], _picture(4, 5)[:, :, :2]),
        (_picture(0, 5), _picture(0, 5)),
    ],
)
@pytest.mark.parametrize("metric", [psnr_db, psnr_yuv_db, ssim, ms_ssim])
def test_metrics_refuse_other_inputs(metric, a, b):
    with pytest.raises(ValueError, match=r"expected uint8|differ in shape"):
        metric(a, b)


def test_psnr_yuv():
    grey = np.full((17, 31, 3), 100, dtype=np.uint8)
    assert psnr_yuv_db(grey, grey) == math.inf
    assert psnr_yuv_db(grey, grey + 7) == math.inf  # chroma is equal
    red, blue = grey.copy(), grey.copy()
    red[:, :, 0] += 10
    blue[:, :, 2] += 10
    for picture, weight, own in ((red, 0.299, 1), (blue, 0.114, 2)):
        # by hand: luma by the weight, the plane of the own colour by 1/2, the other one by what luma takes from it
        other = weight / (1.772 if own == 1 else 1.402)
        psnr = [20 * math.log10(255 / (10 * change)) for change in (weight, 0.5, other)]
        assert psnr_yuv_db(grey, picture) == pytest.approx((6 * psnr[0] + psnr[1] + psnr[2]) / 8)
        assert psnr_yuv_db(picture, grey) == psnr_yuv_db(grey, picture)


def test_ssim():
    pytest.importorskip("pytorch_msssim", reason="SSIM needs pytorch-msssim (extra: bench)")
    a = _picture(17, 31)
    assert ssim(a, a) == pytest.approx(1.0, abs=1e-6)
    noise = np.random.default_rng(4).integers(-20, 21, a.shape)
    noisy = np.clip(a.astype(int) + noise, 0, 255).astype(np.uint8)
    assert 0.5 < ssim(a, noisy) < 0.999
    assert ssim(a, _picture(17, 31, seed=1)) < 0.2
    flat, brighter = np.full_like(a, 100), np.full_like(a, 110)
    c1 = (0.01 * 255) ** 2  # without texture only the term of luminance is left
    assert ssim(flat, brighter) == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1), abs=1e-4)
    assert ssim(_picture(10, 31), _picture(10, 31)) is None


def test_ms_ssim_is_undefined_for_small_pictures():
    assert ms_ssim(_picture(160, 200), _picture(160, 200)) is None
    assert ms_ssim(_picture(200, 160), _picture(200, 160)) is None


def test_ms_ssim_falls_with_noise():
    pytest.importorskip("pytorch_msssim", reason="MS-SSIM needs pytorch-msssim (extra: bench)")
    rows, columns = np.mgrid[:161, :177]
    plane = 128 + 60 * np.sin(rows / 9) + 60 * np.cos(columns / 13)
    picture = np.repeat(plane[:, :, None], 3, axis=2)
    noise = np.random.default_rng(3).normal(size=picture.shape)
    noisy = [np.clip(picture + s * noise, 0, 255).astype(np.uint8) for s in (0, 4, 12)]
    scores = [ms_ssim(noisy[0], other) for other in noisy]
    assert scores[0] == pytest.approx(1.0, abs=1e-6)
    assert 1.0 > scores[1] > scores[2] > 0.0
