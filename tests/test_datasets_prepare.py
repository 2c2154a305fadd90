import numpy as np
import pytest
from checks import picture
from PIL import Image

from lcodec.datasets.prepare import Unfit, prepare


@pytest.fixture
def encoded(tmp_path):
    """A function that makes the bytes of a picture file."""

    def make(kind, height=101, width=135, mode="RGB", **options):
        Image.fromarray(picture(height, width)).convert(mode).save(tmp_path / "a", kind, **options)
        return (tmp_path / "a").read_bytes()

    return make


def reopened(data, tmp_path):
    (tmp_path / "b").write_bytes(data)
    return Image.open(tmp_path / "b")


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("JPEG", "RGB", {"quality": 94, "subsampling": 0}),
    ],
)
def test_a_clean_file_keeps_its_bytes(kind, mode, options, encoded):
    data = encoded(kind, mode=mode, **options)
    prepared = prepare(data, 101, False)
    assert prepared.data == data
    assert (prepared.image.mode, prepared.image.size) == ("RGB", (135, 101))
    assert (prepared.done, prepared.is_new_jpeg) == ("original", False)


@pytest.mark.parametrize(("quality", "factor"), [(80, 2), (40, 4)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_damaged_jpeg_is_scaled_down(mode, quality, factor, encoded, tmp_path):
    prepared = prepare(encoded("JPEG", mode=mode, quality=quality), 20, False)
    assert prepared.done == f"downscaled {factor}x from 135x101"
    assert prepared.is_new_jpeg
    image = reopened(prepared.data, tmp_path)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (135 // factor, 101 // factor))
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}
    means = Image.fromarray(picture(101, 135)).crop((0, 0, 132, 100)).convert(mode).convert("RGB")
    means = means.reduce(factor).crop((0, 0, 33, 25))
    assert np.abs(np.asarray(image.crop((0, 0, 33, 25)), float) - np.asarray(means)).mean() < 8
    assert prepare(prepared.data, 20, False).done == "original"  # once is enough


def test_a_lossy_webp_is_scaled_down(encoded):
    assert prepare(encoded("WEBP", quality=90), 20, False).done == "downscaled 2x from 135x101"


def test_small_damaged_jpeg(encoded):
    data = encoded("JPEG", quality=80)
    with pytest.raises(Unfit) as caught:
        prepare(data, 51, False)
    assert caught.value.reason == "too small after down-scaling"
    prepared = prepare(data, 51, True)
    assert prepared.data == data
    assert prepared.done == "original (too small to be downscaled 2x)"
    assert prepare(data, 50, True).done == "downscaled 2x from 135x101"
    with pytest.raises(Unfit, match="too small"):
        prepare(data, 102, True)


def test_unfit_pictures(encoded, tmp_path):
    image = Image.fromarray(picture(101, 135))
    image.putalpha(254)
    image.save(tmp_path / "transparent.png")
    Image.fromarray(np.zeros((101, 135), np.uint16)).save(tmp_path / "deep.png")
    image.save(tmp_path / "moving.png", save_all=True, append_images=[image.rotate(90)])
    cases = {
        "too small": encoded("PNG", 19, 300),
        "transparent": (tmp_path / "transparent.png").read_bytes(),
        "animated or several pages": (tmp_path / "moving.png").read_bytes(),
        "not 8-bit RGB or grey": (tmp_path / "deep.png").read_bytes(),
    }
    for reason, data in cases.items():
        with pytest.raises(Unfit) as caught:
            prepare(data, 20, True)
        assert caught.value.reason == reason
    with pytest.raises(Unfit) as caught:
        prepare(encoded("JPEG", mode="CMYK"), 20, True)
    assert caught.value.reason == "not 8-bit RGB or grey"


@pytest.mark.parametrize("cut", [0, 3, 30, 500, -100])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_cut_files_are_unreadable(kind, cut, encoded):
    with pytest.raises(Unfit) as caught:
        prepare(encoded(kind)[:cut], 20, False)
    assert caught.value.reason == "unreadable"
    assert caught.value.detail
