"""Pictures in tiles: no seams, regions, previews, and what is left of damaged files."""

import hashlib
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from checks import assert_one_line_error, picture, run_cli, run_python

import lcodec
from lcodec import FormatError
from lcodec.codec import tile_coding, tiles, windows
from lcodec.codec.coding_model import CodingModel
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.codec.registry import MODELS
from lcodec.codec.tiles import Box
from lcodec.entropy.threads import in_threads
from lcodec.formats.container import pack, unpack, unpack_remains
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture

SIZE = (530, 600)


@pytest.fixture(scope="module")
def large(cut):
    """A photograph, mirrored until it is large enough."""
    twice = np.concatenate([cut, cut[::-1]])
    twice = np.concatenate([twice, twice[:, ::-1]], axis=1)
    return np.ascontiguousarray(np.tile(twice, (3, 3, 1))[: SIZE[0], : SIZE[1]])


@pytest.fixture(scope="module")
def codec():
    return lcodec.Codec("base", "cpu")


@pytest.fixture(scope="module")
def tiled(codec, large):
    return codec.encode(large, 50, tile=256)


@pytest.fixture(scope="module")
def drawn(codec, tiled):
    return codec.decode(tiled)


@pytest.fixture
def two_torch_threads():
    """Another number of threads may round a pixel the other way."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def sections(data):
    """(start, end) of every section of a file."""
    position, found = 6, []
    while position < len(data):
        length = shift = 0
        for used in range(1, 6):
            byte = data[position + used]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append((position, position + 1 + used + length + 4))
        position = found[-1][1]
    return found


@pytest.mark.parametrize("size, side", [((1, 1), 64), ((64, 65), 64), ((300, 130), 128), ((5, 1000), 256)])
def test_tiles_cover_every_pixel_once(size, side):
    seen = np.zeros(size, int)
    for box in tiles.tiles(Box.whole(*size), side):
        seen[box.slices] += 1
        assert 0 < box.height <= side and 0 < box.width <= side
    assert (seen == 1).all()


@pytest.mark.parametrize("name", [entry.name for entry in MODELS if not entry.lossless and not entry.moving])
def test_tiles_leave_no_seams(name, large):
    """Within eight pixels of where tiles meet, the picture is as near to the original as one coded whole.

    Not quite: there, latents are predicted from fewer others.
    """
    model = lcodec.Codec(name, "cpu")
    seam = np.zeros(SIZE, bool)
    for k in (256, 512):
        seam[k - 8 : k + 8] = seam[:, k - 8 : k + 8] = True
    whole, parts = model.encode(large, 60), model.encode(large, 60, tile=256)
    assert len(parts) < len(whole) + 9 * 5 * 16
    at_seams = [psnr_db(large[seam][None], model.decode(data)[seam][None]) for data in (whole, parts)]
    assert at_seams[1] > at_seams[0] - 0.1


def test_a_large_picture_is_cut_by_itself(monkeypatch):
    assert tiles.side_for(2048, 2048) is None and tiles.side_for(2048, 2049) == 1024
    assert lcodec.info(lcodec.encode(picture(40, 50), 30, "tiny")).tile is None
    monkeypatch.setattr(tiles, "WHOLE_PIXELS", 2**16)
    monkeypatch.setattr(tiles, "TILE_SIDE", 256)
    about = lcodec.info(lcodec.encode(picture(256, 300), 30, "tiny"))
    assert about.tile == 256 and len(about.step_bytes) == 3 and sum(about.step_bytes) < about.file_bytes


@pytest.mark.parametrize("name", [entry.name for entry in MODELS if not entry.lossless and not entry.moving])
def test_windows_draw_what_the_whole_is(name, large, monkeypatch):
    """Their surroundings are wide enough: no pixel differs by more than rounding does."""
    model = lcodec.Codec(name, "cpu")
    data = model.encode(large, 40)
    whole = model.decode(data).astype(int)
    monkeypatch.setattr(windows, "WHOLE_PIXELS", 1)
    monkeypatch.setattr(windows, "TILE_SIDE", 200)
    assert np.abs(model.decode(data) - whole).max() <= 1


@pytest.mark.parametrize("region", [(0, 0, 1, 1), (599, 529, 1, 1), (250, 3, 20, 500), (300, 300, 100, 100)])
def test_a_region_is_a_piece_of_the_picture(region, codec, tiled, drawn, large):
    x, y, width, height = region
    piece = drawn[y : y + height, x : x + width].astype(int)
    for data in (tiled, codec.encode(large, 50)):
        part = codec.decode(data, region=region)
        assert part.shape == piece.shape
        if data is tiled:
            assert np.abs(part - piece).max() <= 1


def test_only_the_tiles_in_reach_of_a_region_are_decoded(codec, tiled, monkeypatch):
    decoded = []
    original = CodingModel.decode_latents

    def counted(self, *arguments, **options):
        decoded.append(arguments)
        return original(self, *arguments, **options)

    monkeypatch.setattr(CodingModel, "decode_latents", counted)
    for region, count in (
        ((350, 350, 40, 40), 1),
        ((250, 350, 40, 40), 2),
        ((250, 250, 9, 9), 4),
        ((0, 0, 600, 530), 9),
    ):
        decoded.clear()
        codec.decode(tiled, region=region)
        assert len(decoded) == count


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (-1, 0, 5, 5), (590, 0, 11, 1), (0, 529, 1, 2)])
def test_a_region_lies_in_the_picture(region, codec, tiled):
    with pytest.raises(ValueError, match="does not lie in 600 x 530"):
        codec.decode(tiled, region=region)


@pytest.mark.parametrize("side", [64, 250, 65536, -256])
def test_sides_that_no_tile_has(side, codec, cut):
    with pytest.raises(ValueError, match="multiple of 64 in 256"):
        codec.encode(cut, tile=side)


@pytest.mark.parametrize("tile", [None, 256])
def test_the_beginning_of_a_file_is_a_preview(tile, codec, large):
    """Of a file with tiles every step comes for all of them before the next one does."""
    data = codec.encode(large, 50, tile=tile)
    ends = [end for (start, end) in sections(data) if data[start] == 2]
    count = len(ends) // 5
    previews = [codec.salvage(data[: ends[count * steps - 1]]) for steps in range(1, 6)]
    assert [preview.steps for preview in previews] == [(steps,) * count for steps in range(1, 6)]
    quality = [psnr_db(large, preview.pixels) for preview in previews]
    assert sorted(quality) == quality and quality[0] > 13
    assert all("no END section" in preview.problem for preview in previews)
    whole = codec.salvage(data)
    assert whole.problem is None and np.array_equal(whole.pixels, codec.decode(data))


def test_damage_stays_in_its_tile(codec, tiled, drawn):
    """Section 2 + 9 s + n is step s of tile n."""
    places = sections(tiled)
    damaged = bytearray(tiled)
    damaged[places[2 + 9 * 3 + 4][1] - 7] ^= 1  # the fourth step of the middle tile
    damaged[places[2 + 8][1] - 1] ^= 1  # the first of the last one
    with pytest.raises(FormatError, match="STEP is damaged"):
        codec.decode(bytes(damaged))
    found = codec.salvage(bytes(damaged))
    assert found.steps == (5, 5, 5, 5, 3, 5, 5, 5, 0) and "STEP is damaged" in found.problem
    assert found.summary() == "of 9 tiles 7 are whole, 1 drawn from their first coding steps, 1 lost"
    reach = 64
    same = np.abs(found.pixels.astype(int) - drawn).max(2) <= 1
    assert same[: 256 - reach].all() and same[:, : 256 - reach].all()
    assert not same[512:, 512:].all() and psnr_db(found.pixels[256:512, 256:512], drawn[256:512, 256:512]) > 25


def test_symbols_of_a_tile_that_do_not_fit_their_checksum(codec, tiled):
    stream = unpack(tiled)
    swapped = list(stream.steps)
    swapped[9], swapped[10] = swapped[10], swapped[9]
    data = pack(type(stream)(stream.header, tuple(swapped), stream.symbols_crc, grid=stream.grid))
    with pytest.raises(FormatError, match="coded data is damaged"):
        codec.decode(data)
    assert codec.salvage(data).steps == (0, 0, 5, 5, 5, 5, 5, 5, 5)
    assert codec.decode(data, region=(0, 400, 100, 100)).shape == (100, 100, 3)


def test_a_lost_grid_or_head_leaves_nothing(tiled):
    for start, _ in sections(tiled)[:2]:
        damaged = bytearray(tiled)
        damaged[start + 3] ^= 1
        with pytest.raises(FormatError, match="is damaged"):
            unpack_remains(bytes(damaged))


def test_on_the_command_line(tmp_path, cut):
    source, coded, out = (tmp_path / name for name in ("a.ppm", "a.lcc", "out.ppm"))
    pixels = np.ascontiguousarray(np.tile(cut, (3, 3, 1)))
    source.write_bytes(write_picture(pixels, ".ppm"))
    assert run_cli("encode", source, "-o", coded, "-m", "tiny", "--tile", 256).returncode == 0
    assert b"tiles     of 256 x 256" in run_cli("info", coded).stdout
    assert run_cli("decode", coded, "-o", out, "--region", "10,20,30,40").returncode == 0
    assert read_picture(out.read_bytes()).pixels.shape == (40, 30, 3)
    assert_one_line_error(run_cli("decode", coded, "-o", out, "-f", "--region", "380,0,30,40"))
    assert run_cli("decode", coded, "-o", out, "-f", "--region", "1,2").returncode == 2

    data = bytearray(coded.read_bytes())
    (tmp_path / "cut.lcc").write_bytes(data[: len(data) // 2])
    assert_one_line_error(run_cli("decode", tmp_path / "cut.lcc", "-o", out, "-f"))
    done = run_cli("decode", tmp_path / "cut.lcc", "-o", out, "-f", "--partial")
    assert done.returncode == 0 and b"the file is cut" in done.stderr and b"their first coding steps" in done.stderr
    assert read_picture(out.read_bytes()).pixels.shape == pixels.shape

    start, _ = sections(data)[-3]
    data[start + 4] ^= 1
    (tmp_path / "damaged.lcc").write_bytes(data)
    assert_one_line_error(run_cli("decode", tmp_path / "damaged.lcc", "-o", out, "-f", "--partial"))
    done = run_cli("decode", tmp_path / "damaged.lcc", "-o", out, "-f", "--salvage")
    assert done.returncode == 0 and b"STEP is damaged" in done.stderr and b"of 4 tiles 3 are whole" in done.stderr


def test_eight_threads_and_two_processes_decode_as_one(codec, large, two_torch_threads, tmp_path):
    """And from the same latents, which are those of one machine and number of threads, come the same bytes."""
    path = tmp_path / "a.lcc"
    tiled = codec.encode(large[:270, :280], 50, tile=256)
    path.write_bytes(tiled)
    alone = codec.decode(tiled)
    code = f"import hashlib, lcodec; print(hashlib.sha256(lcodec.decode(open({str(path)!r}, 'rb').read())).hexdigest())"
    with ThreadPoolExecutor(8) as pool:
        elsewhere = [pool.submit(run_python, "-c", code, environment={"OMP_NUM_THREADS": "2"}) for _ in range(2)]
        pictures = list(pool.map(codec.decode, [tiled] * 8))
    assert all(np.array_equal(pixels, alone) for pixels in pictures)
    digest = hashlib.sha256(alone).hexdigest()
    assert [done.result().stdout.decode().strip() for done in elsewhere] == [digest] * 2
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda _: codec.encode(alone, 50, tile=256), range(3)))
    assert len(set(files)) == 1


def test_work_in_threads_keeps_its_order_and_its_errors():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert in_threads(lambda n: n * n, range(20), torch.device("cpu")) == [n * n for n in range(20)]
        assert in_threads(lambda n: torch.get_num_threads(), range(9), torch.device("cpu")) == [1] * 9
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda n: 1 // n, range(3), torch.device("cpu"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_what_fails_or_is_interrupted_leaves_no_work_behind(two_torch_threads, monkeypatch):
    done = []

    def work(n):
        time.sleep(0.01)
        if n == 3:
            raise ValueError("three")
        done.append(n)

    with pytest.raises(ValueError, match="three"):
        in_threads(work, range(100), torch.device("cpu"))
    time.sleep(0.1)
    assert len(done) < 10

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_threads(lambda n: time.sleep(0.01) or done.append(n), range(100), torch.device("cpu"))
    time.sleep(0.1)
    assert len(done) < 20


def test_a_region_of_one_tile_draws_from_it_alone(codec, tiled, monkeypatch):
    """The plane of latents is no larger than the tiles that are needed."""
    planes = []

    def noted(model, boxes, *rest):
        planes.append(list(boxes))
        return draw_tiles(model, boxes, *rest)

    draw_tiles = tile_coding.draw_tiles
    monkeypatch.setattr(tile_coding, "draw_tiles", noted)
    codec.decode(tiled, region=(350, 350, 40, 40))
    assert planes == [[Box(256, 256, 512, 512)]]


@torch.inference_mode()
def test_a_part_depends_on_no_more_than_its_reach(large):
    """Strips and windows are what they would be in the whole picture, and with less around them they are not."""
    coding = lcodec.Codec("base", "cpu")._model
    coding.analysis, coding.synthesis = coding.transforms.analysis, coding.transforms.synthesis
    whole, part = Box.whole(*SIZE), Box(208, 0, 352, SIZE[1])
    pixels = torch.from_numpy(large)
    y = coding._analysed(pixels, whole, 4096)
    own = y[:, :, *part.latents().slices]
    rough = torch.round(4 * y) / 4
    drawn = coding.draw(rough, whole, whole, 4096, 16)[part.slices].astype(np.int32)

    def differences():
        window = coding.draw(rough, whole, part, 4096, 16).astype(np.int32)
        return float((coding._analysed(pixels, part, 4096) - own).abs().max()), int(np.abs(window - drawn).max())

    latents, levels = differences()
    assert latents < 1e-3 and levels < 10
    coding.analysis_margin -= 32
    coding.synthesis_margin -= 32
    latents_without, levels_without = differences()
    assert latents_without > 0.1 and levels_without > 1000
