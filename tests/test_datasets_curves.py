import dataclasses
import hashlib

import pytest

from lcodec.datasets.curves import Curve, anchor, anchor_datasets, anchor_names


def test_names_one_asks_for():
    assert {
        *("vtm", "av1", "hm", "bpg", "webp", "jpeg", "jpeg2000", "jpeg-420", "jpeg-444", "jxl-e7"),
        *("mbt2018-mean", "mbt2018", "bmshj2018-hyperprior", "cheng2020-attn", "elic2022-paper"),
        *("hpcm-large", "dcae", "lalic", "ftic", "tcm-large", "qarv", "cool-chic-5.0"),
    } <= set(anchor_names())
    assert {"vtm", "dcae"} <= set(anchor_names("tecnick"))
    assert {"vtm", "dcae"} <= set(anchor_names("clic2020-pro-valid"))


@pytest.mark.parametrize("dataset", anchor_datasets())
def test_every_curve_is_whole(dataset):
    names = anchor_names(dataset)
    assert list(names) == sorted(set(names))
    for name in names:
        curve = anchor(name, dataset)
        assert (curve.name, curve.dataset) == (name, dataset)
        assert curve.source
        assert curve.settings
        assert len(curve.bpp) >= 3
        assert list(curve.bpp) == sorted(curve.bpp)
        assert 0 < curve.bpp[0] < 1
        assert all(15 < value < 60 for value in curve.psnr_db)
        assert curve.ms_ssim is None or all(0 < value < 1 for value in curve.ms_ssim)


def test_subsets_of_kodak_are_kept_apart():
    assert {anchor(name).n_images for name in anchor_names()} == {24}
    assert {anchor(name, "kodak-05-12-23").n_images for name in anchor_names("kodak-05-12-23")} == {3}


def test_points_of_the_vtm_curve():
    vtm = anchor("vtm")
    assert (vtm.bpp[2], vtm.psnr_db[2]) == (0.24582, 31.19987)
    assert "9.1" in vtm.settings
    assert vtm.digest() == "f7096efe33b2"


def test_names_ignore_case():
    assert anchor("LALIC") is anchor("lalic")


def test_digest_is_of_the_points_alone():
    curve = Curve("a", "d", "s", "t", None, (0.1, 0.25), (30.0, 33.5))
    assert curve.digest() == hashlib.sha256(b"0.100000 30.000000\n0.250000 33.500000").hexdigest()[:12]
    assert dataclasses.replace(curve, name="b", source="x").digest() == curve.digest()
    assert dataclasses.replace(curve, bpp=(0.1, 0.26)).digest() != curve.digest()
    assert dataclasses.replace(curve, ms_ssim=(0.9, 0.95)).digest() != curve.digest()


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"no curve 'nothing'.*vtm"):
        anchor("nothing")
    with pytest.raises(ValueError, match=r"no curves for data set 'nowhere'.*kodak"):
        anchor("vtm", "nowhere")


@pytest.mark.parametrize(
    ("bpp", "psnr_db", "scores"),
    [((0.1,), (30.0, 31.0), None), ((), (), None), ((0.1,), (30.0,), (0.9, 0.95))],
)
def test_uneven_curves_are_refused(bpp, psnr_db, scores):
    with pytest.raises(ValueError, match="differ in length"):
        Curve("a", "d", "s", "t", None, bpp, psnr_db, scores)
