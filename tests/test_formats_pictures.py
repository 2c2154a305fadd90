"""Pictures in and out: what is kept, converted with a note, refused, or called damaged."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from lcodec.formats.errors import FormatError, LcodecError, UnsupportedError
from lcodec.formats.metadata import Metadata
from lcodec.formats.picture_writing import WRITABLE_SUFFIXES, lost_notes, write_picture
from lcodec.formats.pictures import from_pil, read_picture, stripped

PALETTE = "palette not kept"
LOSSY = (".jpg", ".jpeg", ".avif")


def pixels_of(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(width, height, depth, colour, rows):
    """A PNG file of the given bit depth and colour type, which Pillow itself cannot write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(width, height, bits, samples, data):
    """An uncompressed TIFF of any depth; the bits per sample of all channels lie behind the directory."""
    where = 8 + 2 + 9 * 12 + 4
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, where if samples > 2 else bits),
        (259, 3, 1, 1), (262, 3, 1, 2 if samples > 2 else 1), (273, 4, 1, where + 2 * samples),
        (277, 3, 1, samples), (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    depths = struct.pack(f"<{samples}H", *[bits] * samples)
    return b"II*\0" + struct.pack("<IH", 8, 9) + directory + struct.pack("<I", 0) + depths + data


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITABLE_SUFFIXES if suffix not in LOSSY])
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (63, 1), (1, 64)])
def test_written_pictures_come_back(suffix, size):
    pixels = pixels_of(*size)
    picture = read_picture(write_picture(pixels, suffix.upper()))
    assert picture.notes == ()
    assert picture.pixels.dtype == np.uint8 and picture.pixels.flags.writeable
    assert np.array_equal(picture.pixels, pixels)


def test_views_are_written_right():
    pixels = pixels_of(9, 14)[::-2, 1::3]
    assert np.array_equal(read_picture(write_picture(pixels, ".png")).pixels, pixels)


@pytest.mark.parametrize("suffix", ["", ".gif", "png", ".lcc", ".png.gz"])
def test_other_suffixes_are_refused_with_the_list(suffix):
    with pytest.raises(ValueError, match=r"\.png, \.ppm"):
        write_picture(pixels_of(2, 3), suffix)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ValueError, match="uint8"):
        write_picture(pixels, ".png")


def test_webp_has_a_largest_side():
    with pytest.raises(UnsupportedError, match=r"16384 x 1 as \.webp"):
        write_picture(np.zeros((1, 16384, 3), np.uint8), ".webp")


def test_jpeg_is_read_as_pillow_reads_it():
    data = saved(Image.fromarray(pixels_of(33, 47)), "JPEG", quality=90)
    picture = read_picture(data)
    assert picture.notes == ()
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_stays_grey(kind, mode):
    image = Image.fromarray(pixels_of(7, 11)[..., 0]).convert(mode)
    picture = read_picture(saved(image, kind))
    assert picture.grey and picture.notes == (("palette not kept",) if (kind, mode) == ("GIF", "L") else ())
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_becomes_rgb_with_a_note(kind):
    image = Image.fromarray(pixels_of(7, 11)).quantize(16)
    picture = read_picture(saved(image, kind))
    assert picture.notes == (PALETTE,)
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_is_no_alpha(mode):
    image = Image.fromarray(pixels_of(5, 6)).convert("RGB" if mode == "RGBA" else "L").convert(mode)
    picture = read_picture(saved(image))
    assert picture.alpha is None and picture.grey == (mode == "LA") and picture.notes == ()
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def test_transparency_of_one_pixel_is_kept():
    rgba = np.dstack([pixels_of(5, 6), np.full((5, 6), 255, np.uint8)])
    rgba[4, 5, 3] = 254
    for data in (
        saved(Image.fromarray(rgba)),
        saved(Image.fromarray(rgba), "WEBP", lossless=True),
        saved(Image.fromarray(rgba), "TIFF"),
        write_picture(rgba, ".png"),
        write_picture(rgba, ".webp"),
        write_picture(rgba, ".tif"),
    ):
        picture = read_picture(data)
        assert np.array_equal(picture.alpha, rgba[..., 3]) and np.array_equal(picture.pixels, rgba[..., :3])
    palette = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).convert("P")
    grey = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    for data in (saved(palette, transparency=3), saved(palette, "GIF", transparency=3), saved(grey, transparency=3)):
        assert read_picture(data).alpha.ravel().tolist() == [255, 255, 255, 0, 255, 255]
    colour = tuple(rgba[0, 0, :3].tolist())
    assert read_picture(saved(Image.fromarray(rgba[..., :3]), transparency=colour)).alpha[0, 0] == 0


def test_transparent_colour_that_does_not_occur_is_opaque():
    grey = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    picture = read_picture(saved(grey, transparency=200))
    assert picture.notes == () and picture.alpha is None
    assert picture.pixels[1, 2].tolist() == [5, 5, 5]


@pytest.mark.parametrize("suffix", [".ppm", ".bmp", ".jpg"])
@pytest.mark.parametrize("planes", [2, 4])
def test_where_there_is_no_alpha_the_picture_is_on_white(suffix, planes):
    samples = np.zeros((16, 16, planes), np.uint8)
    samples[:8, :, -1] = 255
    samples[8:, :, -1] = 51
    (note,) = lost_notes(samples, suffix, Metadata())
    assert note == f"{suffix} has no alpha: the picture is on white"
    found = read_picture(write_picture(samples, suffix))
    assert found.grey == (planes == 2) and found.alpha is None
    assert abs(found.pixels[1, 1, 0].astype(int) - 0) <= 2 and abs(found.pixels[14, 1, 0].astype(int) - 204) <= 2


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_files_are_near_what_they_are_made_of(suffix):
    y, x = np.mgrid[:40, :50]
    smooth = np.stack([4 * x, 5 * y, 2 * x + 2 * y], axis=2).astype(np.uint8)
    found = read_picture(write_picture(smooth, suffix))
    assert np.abs(found.pixels.astype(int) - smooth).max() <= 8 and found.notes == ()


EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010F], EXIF[0x8769] = 6, "a maker", {0x9003: "2026:11:26 12:00:00"}
XMP = "<x:xmpmeta>é</x:xmpmeta>".encode()
METADATA = Metadata(None, b"a profile" * 20, EXIF.tobytes().removeprefix(b"Exif\0\0"), XMP)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".avif"])
def test_metadata_comes_back_byte_for_byte(suffix):
    data = write_picture(pixels_of(33, 47), suffix, METADATA)
    picture = read_picture(data)
    assert picture.metadata == METADATA and picture.notes == ()
    assert picture.pixels.shape == (33, 47, 3) and lost_notes(picture.pixels, suffix, METADATA) == []
    assert from_pil(Image.open(io.BytesIO(data))).metadata == METADATA


def test_metadata_of_tiff_says_the_same():
    found = read_picture(write_picture(pixels_of(33, 47), ".tif", METADATA)).metadata
    assert (found.icc, found.xmp) == (METADATA.icc, METADATA.xmp)
    exif = Image.Exif()
    exif.load(found.exif)
    assert {tag: exif[tag] for tag in exif if tag != 0x8769} == {0x0112: 6, 0x010F: "a maker"}
    assert exif.get_ifd(0x8769) == {0x9003: "2026:11:26 12:00:00"}


def test_what_holds_no_metadata_says_so():
    assert lost_notes(pixels_of(2, 2), ".ppm", METADATA) == [".ppm does not hold ICC, EXIF, XMP"]
    assert lost_notes(pixels_of(2, 2), ".bmp", Metadata("a comment")) == []
    assert read_picture(write_picture(pixels_of(2, 2), ".ppm", METADATA)).metadata == Metadata()


def test_stripping_leaves_the_orientation():
    picture = read_picture(write_picture(pixels_of(3, 4), ".png", METADATA))
    left = stripped(picture).metadata
    exif = Image.Exif()
    exif.load(left.exif)
    assert (left.icc, left.xmp, dict(exif)) == (None, None, {0x0112: 6})
    EXIF[0x0112] = 1
    try:
        upright = Metadata(exif=EXIF.tobytes())
    finally:
        EXIF[0x0112] = 6
    assert stripped(read_picture(write_picture(pixels_of(3, 4), ".png", upright))).metadata == Metadata()


def deep_of(height, width, planes, depth=16, seed=0):
    return np.random.default_rng(seed).integers(0, 2**depth, (height, width, planes), dtype=np.uint16)


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_png_of_16_bits_is_read(colour):
    planes = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    samples = deep_of(2, 3, planes)
    picture = read_picture(png(3, 2, 16, colour, b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)))
    assert (picture.depth, picture.grey, picture.notes) == (16, planes <= 2, ())
    assert np.array_equal(picture.pixels, samples[..., :3] if planes >= 3 else samples[..., :1].repeat(3, 2))
    assert picture.alpha is None if planes in (1, 3) else np.array_equal(picture.alpha, samples[..., -1])
    assert np.abs(picture.eight_bits() - picture.pixels / 257).max() <= 0.5


@pytest.mark.parametrize("colour", [2, 6])
def test_pillow_would_cut_16_bits_in_silence(colour):
    data = png(3, 2, 16, colour, b"".join(b"\0" + bytes(3 * {2: 3, 6: 4}[colour] * 2) for _ in range(2)))
    with pytest.raises(UnsupportedError, match="more than 8 bits"):
        from_pil(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize(("planes", "depth"), [(1, 16), (2, 16), (3, 16), (4, 16), (1, 10), (3, 12)])
def test_deep_pictures_come_back(suffix, planes, depth):
    """PNG and TIFF have 16 bits; fewer are scaled to them."""
    samples = deep_of(9, 14, planes, depth)
    if suffix == ".ppm" and planes in (2, 4):
        assert lost_notes(samples, suffix, Metadata(), depth)[0].startswith(".ppm has no alpha")
        assert read_picture(write_picture(samples, suffix, depth=depth)).depth == 8
        return
    assert lost_notes(samples, suffix, Metadata(), depth) == []
    picture = read_picture(write_picture(samples[..., 0] if planes == 1 else samples, suffix, depth=depth))
    assert picture.depth == (depth if suffix == ".ppm" else 16)
    found = picture.pixels if planes >= 3 else picture.pixels[..., :1]
    scale = (2**picture.depth - 1) / (2**depth - 1)
    assert np.abs(found - samples[..., : found.shape[2]] * scale).max() <= 0.5
    if planes in (2, 4):
        assert np.array_equal(picture.alpha, samples[..., -1])


@pytest.mark.parametrize("suffix", [".webp", ".jpg", ".bmp", ".avif"])
def test_where_there_are_8_bits_the_upper_ones_are_kept(suffix):
    samples = np.full((20, 30, 3), 40000, np.uint16)
    assert lost_notes(samples, suffix, Metadata(), 16) == [f"{suffix} has 8 bits a sample of 16"]
    assert np.abs(read_picture(write_picture(samples, suffix, depth=16)).pixels.astype(int) - 156).max() <= 1


def test_metadata_of_deep_png_comes_back():
    data = write_picture(deep_of(9, 14, 3), ".png", METADATA, 16)
    assert read_picture(data).metadata == METADATA and Image.open(io.BytesIO(data)).size == (14, 9)
    assert lost_notes(deep_of(2, 2, 3), ".tif", METADATA, 16) == [".tif does not hold ICC, EXIF, XMP"]


@pytest.mark.parametrize("samples, depth", [(pixels_of(2, 3), 9), (deep_of(2, 3, 3), 8), (deep_of(2, 3, 3), 17)])
def test_depth_and_type_agree(samples, depth):
    with pytest.raises(ValueError, match="samples must be"):
        write_picture(samples, ".png", depth=depth)


def test_heic_is_no_damaged_avif():
    with pytest.raises(FormatError, match="not a PNG, JPEG"):
        read_picture(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))


def test_cut_deep_pictures_are_damaged():
    for suffix in (".png", ".tif", ".ppm"):
        data = write_picture(deep_of(30, 40, 3), suffix, depth=16)
        with pytest.raises(LcodecError, match="damaged"):
            read_picture(data[: len(data) // 2])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_few_bits_is_read(depth):
    picture = read_picture(png(2, 2, depth, 0, b"\0\xff" * 2))
    assert np.array_equal(picture.pixels, np.full((2, 2, 3), 255, np.uint8))


@pytest.mark.parametrize("samples", [1, 3])
def test_tiff_of_16_bits_is_read(samples):
    data = tiff(3, 2, 16, samples, np.arange(6 * samples, dtype="<u2").tobytes())
    picture = read_picture(data)
    assert picture.depth == 16 and picture.pixels[1, 2, 0] == 5 * samples
    if samples == 3:
        with pytest.raises(UnsupportedError, match="more than 8 bits"):
            from_pil(Image.open(io.BytesIO(data)))


def test_tiff_of_32_bits_is_refused():
    with pytest.raises(UnsupportedError, match="uint32"):
        read_picture(tiff(3, 2, 32, 1, bytes(24)))


def test_tiff_made_by_hand_is_read():
    assert read_picture(tiff(3, 2, 8, 3, bytes(range(18)))).pixels.ravel().tolist() == list(range(18))


@pytest.mark.parametrize(
    "data, depth, first",
    [
        (b"P6 2 1 65535 \x12\x34" + bytes(10), 16, 0x1234),
        (b"P6\n# a comment\n2 1\n1023\n\x03\xff" + bytes(10), 10, 1023),
        (b"P5 2 1 65535 \0\7\0\0", 16, 7),
        (b"P5 2 1 300 \x01\x2c\0\0", 9, 511),
    ],
)
def test_pnm_of_many_bits_is_read(data, depth, first):
    picture = read_picture(data)
    assert (picture.depth, picture.pixels[0, 0, 0], picture.pixels.shape) == (depth, first, (1, 2, 3))


def test_pnm_as_text_of_many_bits_is_refused():
    with pytest.raises(UnsupportedError, match="more than 8 bits"):
        read_picture(b"P3 1 1 256 1 2 3")


def test_pnm_of_few_levels_is_read():
    assert read_picture(b"P3 2 1 15 0 1 15 15 0 1\n").pixels.tolist() == [[[0, 17, 255], [255, 0, 17]]]


def test_bmp_of_16_bits_per_pixel_is_read():
    head = struct.pack("<2sIHHI", b"BM", 78, 0, 0, 70)
    info = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xF800, 0x07E0, 0x001F, 0)
    data = head + info + masks + struct.pack("<HHI", 0xF800, 0x001F, 0)[:8]
    assert read_picture(data).pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("mode", ["LAB", "HSV"])
def test_other_colour_spaces_are_refused_by_name(mode):
    with pytest.raises(UnsupportedError, match=mode):
        from_pil(Image.new(mode, (3, 2)))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_deep_images_are_refused(mode):
    with pytest.raises(UnsupportedError, match="more than 8 bits"):
        from_pil(Image.new(mode, (3, 2)))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_with_a_note(kind):
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for profile in (None, b"no profile"):
        picture = read_picture(saved(image, kind, icc_profile=profile))
        assert picture.notes == ("CMYK converted to RGB",) and picture.metadata.icc is None
        assert np.abs(picture.pixels[3, 3].astype(int) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(kind):
    frames = [Image.fromarray(pixels_of(9, 9, seed)) for seed in range(3)]
    with pytest.raises(UnsupportedError, match="several frames"):
        read_picture(saved(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_first_picture_of_mpo_is_taken():
    frames = [Image.fromarray(pixels_of(16, 16, seed)) for seed in range(2)]
    picture = read_picture(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert picture.pixels.shape == (16, 16, 3) and "MPO" in picture.notes[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_not_turned_and_their_orientation_is_kept(kind, orientation):
    stored = np.kron(np.array([[0, 80, 160], [240, 120, 200]], np.uint8), np.ones((16, 16), np.uint8))
    stored = np.ascontiguousarray(np.repeat(stored[..., None], 3, axis=2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(stored), kind, exif=exif, **options)
    picture = read_picture(data)
    assert picture.pixels.shape == (32, 48, 3) and picture.notes == ()
    assert np.abs(picture.pixels.astype(int) - stored).max() <= 4  # JPEG's loss
    kept = Image.Exif()
    if picture.metadata.exif is not None:
        kept.load(picture.metadata.exif)
    assert kept.get(0x0112, 1) == orientation
    assert np.array_equal(from_pil(Image.open(io.BytesIO(data))).pixels, picture.pixels)


def test_damaged_exif_does_not_stop_a_picture():
    data = saved(Image.fromarray(pixels_of(4, 5)), exif=b"Exif\0\0not a TIFF header")
    picture = read_picture(data)
    assert picture.notes == () and picture.metadata.exif == b"not a TIFF header"
    assert stripped(picture).metadata == Metadata()


def test_from_pil_leaves_the_image_alone():
    image = Image.fromarray(pixels_of(4, 6)).convert("L")
    image.getexif()[0x0112] = 6
    before = image.tobytes()
    picture = from_pil(image)
    assert picture.pixels.shape == (4, 6, 3) and picture.grey and picture.metadata.exif is not None
    assert (image.size, image.mode, image.tobytes()) == ((6, 4), "L", before)
    assert image.getexif()[0x0112] == 6


def test_grey_images_of_16_bits_are_taken():
    samples = deep_of(4, 5, 1)[..., 0]
    picture = from_pil(Image.fromarray(samples))
    assert picture.depth == 16 and picture.grey and np.array_equal(picture.pixels[..., 1], samples)


def test_image_without_pixels_is_the_callers_mistake():
    with pytest.raises(ValueError, match="0 x 5"):
        from_pil(Image.new("RGB", (0, 5)))


def test_limits_come_before_decoding():
    bomb = png(60000, 60000, 8, 2, b"")
    with pytest.raises(UnsupportedError, match="60000 x 60000"):
        read_picture(bomb)
    with pytest.raises(UnsupportedError, match="side"):
        read_picture(png(65536, 1, 8, 0, b""))
    data = write_picture(pixels_of(7, 9), ".png")
    assert read_picture(data, max_pixels=63).pixels.shape == (7, 9, 3)
    with pytest.raises(UnsupportedError, match="9 x 7"):
        read_picture(data, max_pixels=62)


def test_pillow_limit_does_not_bind_below_ours(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_picture(write_picture(pixels_of(7, 9), ".png")).pixels.shape == (7, 9, 3)
    with pytest.raises(UnsupportedError, match="Pillow's own limit"):
        read_picture(write_picture(pixels_of(7, 9), ".webp"))


@pytest.mark.parametrize("data", [b"", b"hello, world\n", b"P", b"%!PS-Adobe-3.0 EPSF-3.0", b"\0" * 64])
def test_other_files_are_no_pictures(data):
    with pytest.raises(FormatError, match="not a PNG"):
        read_picture(data)


@pytest.mark.parametrize("data", [b"BMW is a car\n", b"P5 is a bus\n", b"RIFF", b"GIF89a", b"II*\0", b"\xff\xd8\xff"])
def test_files_that_only_start_like_pictures(data):
    with pytest.raises(FormatError, match="damaged or cut"):
        read_picture(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_cut_and_damaged_pictures_raise_only_ours(kind):
    data = saved(Image.fromarray(pixels_of(9, 13)), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FormatError, match="damaged or cut"):
            read_picture(data[: len(data) // 2])
        chance = np.random.default_rng(3)
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(chance.integers(1, 4)):
                damaged[chance.integers(len(data))] ^= int(chance.integers(1, 256))
            try:
                read_picture(bytes(damaged[: chance.integers(len(data) // 2, len(data) + 1)]), max_pixels=10_000)
            except LcodecError as error:
                assert "\n" not in str(error)
