"""Training of predicted frames: preparation, streams, a few steps, export; and motion made of photographs."""

import os
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from checks import ROOT, picture, run_cli
from clips import moving_frames, write_clip
from safetensors.torch import load_file

from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import PACKAGED
from lcodec.codec.training.camera import moving
from lcodec.codec.training.clips import Clip, read_clips
from lcodec.codec.training.streams import COLOURS, Streams
from lcodec.codec.training.video import begun_with, frame_costs
from lcodec.codec.training.video_recipe import VideoRecipe
from lcodec.codec.training.video_start import read_video_start
from lcodec.codec.training.warm_start import read_start
from lcodec.codec.video import predicted_model
from lcodec.codec.video.export import shape_of
from lcodec.codec.video.frame_coder import FrameCoder
from lcodec.codec.video.mixture import Prediction, predicted, references_of
from lcodec.codec.video.model_file import load_predicted
from lcodec.codec.video.motion import BLOCK
from lcodec.codec.video.motion_search import motion_between
from lcodec.entropy.past import MOTION_CHANNELS
from lcodec.formats.clip_order import group_slots
from lcodec.formats.errors import ModelError

TINY = {
    "name": "tiny-video",
    "intra": "tiny",
    "crop": 64,
    "batch": 2,
    "frames": 4,
    "model": {
        "width": 16,
        "analysis_depth": 1,
        "synthesis_depth": 1,
        "latents": 24,
        "prior_width": 16,
        "hyper": 8,
        "schedule": "two-step",
    },
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Four prepared clips, of which the first is held out: files of clips have other digests every time."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(4):
        write_clip(folder / f"scene{seed}_0.mkv", moving_frames(80, 96, 5, seed=seed, step=(seed % 3, 2)))
    done = run_cli("data", "prepare-clips", folder, "-o", folder / "prepared")
    assert done.returncode == 0, done.stderr
    for path in (folder / "prepared").glob("*.npz"):
        clip = Clip.read(path)
        assert len(clip.digest) == 64
        replace(clip, digest=("00" if path.stem == "scene0_0" else "ff") * 32).write(path)
    return folder / "prepared"


def test_preparation_keeps_all_frames(prepared):
    kept, held_out = read_clips(prepared)
    assert len(kept) == 3 and len(held_out) == 1
    clip = next(clip for clip in kept if clip.name == "scene1_0")
    assert clip.luma.shape == (5, 80, 96) and clip.chroma.shape == (5, 2, 40, 48)


def test_scenes_are_held_out_whole(tmp_path):
    for name, digest in (("a_0", "00" * 32), ("a_1", "ff" * 32), ("b_0", "ff" * 32)):
        Clip(name, digest, *(np.zeros(1, np.uint8),) * 2).write(tmp_path / f"{name}.npz")
    kept, held_out = read_clips(tmp_path)
    assert [clip.name for clip in kept] == ["b_0"] and [clip.name for clip in held_out] == ["a_0"]
    (tmp_path / "b_0.npz").write_bytes(b"no")
    with pytest.raises(ValueError, match="no prepared clip"):
        read_clips(tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_made_motion_can_be_found(seed):
    rng = np.random.default_rng(seed)
    pair = [torch.from_numpy(picture(300, 340, seed=s)) for s in (seed, seed + 50)]
    frames = moving(pair, 96, 4, rng)
    assert frames.shape == (4, 3, 96, 96)
    planes = [COLOURS.to_planes(frame[None]) for frame in frames]
    for then, now in pairwise(planes):
        reference = references_of(then)
        found = motion_between(now[0], [then[0]], [reference], 2.0)
        made, _ = COLOURS.to_planes(predicted([reference], found, COLOURS).rgb)
        inner = (..., slice(16, -16), slice(16, -16))
        still, error = ((now[0] - other).square()[inner].mean() for other in (then[0], made))
        assert error < max(0.7 * still, 150)  # the pictures have noise, and things are covered


def test_streams_go_on_and_begin_anew(prepared):
    recipe = VideoRecipe.from_dict({**TINY, "frames": 5})
    kept, _ = read_clips(prepared)
    intra, _ = read_start(PACKAGED / "tiny.safetensors")
    pictures = [torch.from_numpy(picture(220, 230, seed=s)) for s in range(2)]
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        streams = Streams(recipe, kept, pictures, intra.eval(), seed=3)
        seen = []
        for _ in range(12):
            batch = streams.next()
            assert batch.rgb.shape == batch.predicted.rgb.shape == batch.predicted.difference.shape == (2, 3, 64, 64)
            assert batch.motion.shape == (2, MOTION_CHANNELS, 64 // BLOCK, 64 // BLOCK)
            # A decoder that gives everything back: then predictions are of what was there.
            streams.put(batch.rgb, torch.ones_like(batch.last))
            seen.append(batch)
        runs.append(seen)
        lasts = torch.stack([batch.last.amax((1, 2, 3)) for batch in seen])
        assert (lasts == 0).any() and (lasts == 1).any()  # after intra frames, and after predicted ones
        # Some have one reference and some two, as the entropy model is told, and two differ.
        between = torch.stack([batch.motion[:, 2].amax((1, 2)) > 0 for batch in seen])
        differ = torch.stack([batch.predicted.difference.abs().amax((1, 2, 3)) > 0 for batch in seen])
        assert between.any() and not between.all() and not (differ & ~between).any() and differ.any()
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a.luma, b.luma) and torch.equal(a.predicted.rgb, b.predicted.rgb)


def test_a_fresh_model_codes_residuals_as_the_start_codes_pictures():
    recipe = VideoRecipe.from_dict(TINY)
    intra, _ = read_start(PACKAGED / "tiny.safetensors")
    model = begun_with(intra, recipe).eval()
    rgb, q = torch.rand(1, 3, 32, 32), torch.tensor([0.5])
    flat = torch.full_like(rgb, 0.5)
    with torch.no_grad():
        y = model.transforms.analysed(rgb, Prediction(flat), q)
        assert torch.allclose(y, intra.transforms.analysis(rgb, q), atol=1e-4)
        assert torch.allclose(
            model.transforms.synthesised(y, Prediction(flat), q), intra.transforms.synthesis(y, q), atol=1e-4
        )
    wide = VideoRecipe.from_dict({**TINY, "model": {**TINY["model"], "width": 32}})
    with pytest.raises((ValueError, RuntimeError)):
        begun_with(intra, wide)


def test_train_export_and_code(prepared, tmp_path):
    recipe = tmp_path / "r.toml"
    sizes = "\n".join(f"{k} = {v!r}".replace("'", '"') for k, v in TINY["model"].items())
    head = "\n".join(f"{k} = {v!r}".replace("'", '"') for k, v in TINY.items() if k != "model")
    recipe.write_text(f"{head}\nsynthetic = 0.0\n[model]\n{sizes}\n")
    checkpoint, model = tmp_path / "c", tmp_path / "m.safetensors"
    train = ("train", recipe, "-o", checkpoint, "--clips", prepared, "--steps")
    done = run_cli(*train, "6")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("validation")]
    assert len(lines) == 2
    done = run_cli("export", checkpoint, "-o", model, "--clips", prepared)
    assert done.returncode == 0 and b"step 6 of 6" in done.stderr
    coding = load_predicted(model.read_bytes(), torch.device("cpu"))
    intra = unpack_model((PACKAGED / "tiny.safetensors").read_bytes(), torch.device("cpu"))
    kept, _ = read_clips(prepared)
    coder = FrameCoder(intra, coding, shape_of(kept[0]))
    planes = [
        coder.shape.load((y, c[0], c[1]), coder.device) for y, c in zip(kept[0].luma, kept[0].chroma, strict=True)
    ]
    first = coder.encode_intra(planes[0], 4096)
    last, middle = group_slots(0, 2)
    third = coder.encode_predicted(planes[2], [first.shown], first.known, last, 4096, 2.0)
    second = coder.encode_predicted(planes[1], [first.shown, third.shown], third.known, middle, 4096, 2.0)
    for frame, before, references, slot in ((third, first, [first], last), (second, third, [first, third], middle)):
        symbols = coder.predicted_symbols(frame.data, before.known, slot, 4096)
        assert symbols.crc == frame.symbols_crc
        shown = coder.draw(symbols, [reference.shown for reference in references], 4096)
        assert torch.equal(shown.planes[0], frame.shown.planes[0])
    # Further, from there; and what cannot be.
    for n, start in enumerate((checkpoint, model)):
        further = ("-o", tmp_path / f"d{n}", "--clips", prepared, "--steps", "1", "--start", start)
        again = run_cli("train", recipe, *further)
        assert again.returncode == 0, again.stderr
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_video_start(PACKAGED / "base.safetensors")
    for extra, word in ((("--resume",), b"one run"), ((), b"exists")):
        done = run_cli(*train, "1", *extra)
        assert done.returncode == 1 and word in done.stderr
    assert b"--clips" in run_cli("train", recipe, "-o", tmp_path / "e").stderr
    assert b"--clips" in run_cli("export", checkpoint, "-o", tmp_path / "f").stderr


@pytest.mark.parametrize("half", [True, False])
def test_a_run_begins_with_a_shipped_model_whatever_it_computes_with(half, monkeypatch):
    monkeypatch.setattr(predicted_model, "half_is_faster", lambda _: half)
    path = PACKAGED / "tinyvideo.safetensors"
    stored = {name.removeprefix("transforms."): value for name, value in load_file(path).items()}
    begun = read_video_start(path).transforms.state_dict()
    assert begun and all(torch.equal(value, stored[name].float()) for name, value in begun.items())


def test_the_shipped_recipe_is_that_of_the_shipped_model():
    recipe = VideoRecipe.read(ROOT / "codec" / "recipes" / "video.toml")
    shipped = load_predicted((PACKAGED / "video.safetensors").read_bytes(), torch.device("cpu"))
    assert shipped.transforms.config == recipe.model
    assert os.path.getsize(PACKAGED / "video.safetensors") < 16 * 2**20


def test_other_files_are_no_models_of_frames():
    for name in ("base", "lossless"):
        with pytest.raises(ModelError):
            load_predicted((PACKAGED / f"{name}.safetensors").read_bytes(), torch.device("cpu"))
    with pytest.raises(ModelError):
        unpack_model((PACKAGED / "video.safetensors").read_bytes(), torch.device("cpu"))
    with pytest.raises(ModelError):
        load_predicted(b"", torch.device("cpu"))


@pytest.mark.parametrize(
    "change", [{"crop": 70}, {"batch": 0}, {"frames": 1}, {"nonsense": 1}, {"model": None}, {"learning_rate": -1.0}]
)
def test_bad_recipes(change):
    with pytest.raises(ValueError):
        VideoRecipe.from_dict({**TINY, **change})


def test_costs_are_positive_and_have_gradients(prepared):
    recipe = VideoRecipe.from_dict({**TINY, "synthetic": 0.0})
    kept, _ = read_clips(prepared)
    intra, _ = read_start(PACKAGED / "tiny.safetensors")
    model = begun_with(intra, recipe).train()
    bpp, error, rgb, _ = frame_costs(model, recipe, Streams(recipe, kept, [], intra.eval(), 1).next())
    assert bool((bpp > 0).all() and (error > 0).all()) and rgb.shape == (2, 3, 64, 64)
    (bpp.sum() + error.sum()).backward()
    grown = [name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)]
    for part in ("prior.past.enter", "transforms.to_analysis", "transforms.to_synthesis", "transforms.analysis.enter"):
        assert any(name.startswith(part) for name in grown), part
