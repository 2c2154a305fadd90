"""The trainer: recipes, crops, resumption, warm starts, logs, conversion."""

import copy
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from checks import ROOT, assert_one_line_error, picture, run_cli, run_python
from safetensors.torch import load_file

from lcodec.codec.export import export
from lcodec.codec.model import new_model
from lcodec.codec.model_file import unpack_model
from lcodec.codec.training import loop
from lcodec.codec.training.checkpoint import Checkpoint, load_average
from lcodec.codec.training.crops import Crops
from lcodec.codec.training.loop import Session, train
from lcodec.codec.training.lossless_recipe import LosslessRecipe, is_lossless
from lcodec.codec.training.recipe import Recipe
from lcodec.codec.training.roofline import Machine, roofline
from lcodec.codec.training.run_log import RunLog, read_log
from lcodec.codec.training.update import Update, learning_rate, new_optimiser
from lcodec.codec.training.validation import CROP
from lcodec.codec.training.video_recipe import VideoRecipe, is_video
from lcodec.codec.training.warm_start import read_start, start_from
from lcodec.codec.training.workers import Workers
from lcodec.datasets.photographs import photographs as read_photographs
from lcodec.entropy.convert import to_exact, to_float
from lcodec.formats.picture_writing import write_picture

pytestmark = pytest.mark.usefixtures("known_speed")
RECIPE = """
name = "test"
seed = 3
crop = 64
batch = 4
warmup_steps = 2
[model]
width = 16
analysis_depth = 1
synthesis_depth = 1
latents = 8
prior_width = 8
hyper = 4
"""
CPU = torch.device("cpu")
SEEDS = range(18, 32)  # content decides which are held out: of these, number 30
ALONE = Workers(0, 1, CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for seed in SEEDS:
        (folder / f"{seed}.ppm").write_bytes(write_picture(picture(CROP, CROP + seed, seed), ".ppm"))
    return folder


@pytest.fixture(scope="module")
def pictures(folder):
    return Crops(read_photographs(folder), 64, CPU)


@pytest.fixture(scope="module")
def held_out(folder):
    return Crops(read_photographs(folder)[:3], CROP, CPU)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return Recipe.read(path)


def start(path, recipe, pictures, steps):
    model = new_model(recipe.model, recipe.seed)
    record = Checkpoint(recipe, 0, steps, pictures.digest)
    record.write(path, model, copy.deepcopy(model), new_optimiser(model, recipe))


def trainee(recipe, pictures):
    model = new_model(recipe.model, 0).train()
    optimiser = new_optimiser(model, recipe)
    return model, optimiser, Update(model, optimiser, recipe, pictures, ALONE, "eager")


RESUMED = Session(minutes=1.0, resume=True)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, recipe, pictures, held_out, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for path in (whole, broken):
        start(path, recipe, pictures, steps=20)
    train(recipe, pictures, held_out, whole, RESUMED, ALONE)

    class Interrupted(Update):
        def __call__(self, step, steps):
            if step == 11:
                raise KeyboardInterrupt
            super().__call__(step, steps)

    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "Update", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, pictures, held_out, broken, RESUMED, ALONE)
    assert Checkpoint.read(broken).step == 11
    monkeypatch.setattr(loop, "Update", Update)
    train(recipe, pictures, held_out, broken, RESUMED, ALONE)

    a, b = load_file(whole), load_file(broken)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    kept = ("step", "loss", "learning_rate", "bpp_0", "validation")
    rows = [[[row[key] for key in kept] for row in read_log(tmp_path / f"{name}.csv")] for name in ("whole", "broken")]
    assert rows[0] == rows[1] and len(rows[0]) == 20
    assert sum(bool(row["validation"]) for row in read_log(tmp_path / "whole.csv")) == 1


@pytest.mark.slow
def test_a_killed_trainer_leaves_a_whole_checkpoint(tmp_path, folder):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    path = tmp_path / "a.checkpoint"
    command = [sys.executable, "-m", "lcodec", "train", tmp_path / "recipe.toml", "-o", path, "--data", folder]
    with subprocess.Popen([*map(str, command), "--steps", "100000"], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    before = Checkpoint.read(path)
    # The rest of the run is long; it is resumed, and paused after its first moments.
    done = run_cli("train", tmp_path / "recipe.toml", "-o", path, "--data", folder, "--resume", "--pause-after", "0.01")
    assert done.returncode == 0, done.stderr.decode()
    after = Checkpoint.read(path)
    assert before.steps == after.steps and before.step < after.step < after.steps


def test_training_lowers_the_loss_and_counts(recipe, pictures):
    _, _, update = trainee(recipe, pictures)
    tallies = []
    for part in range(6):
        for step in range(10 * part, 10 * part + 10):
            update(step, 80)
        tallies.append(update.read())
    assert tallies[-1].loss < 0.8 * tallies[0].loss
    assert all(tally.skipped == 0 and tally.gradient_norm > 0 for tally in tallies)
    assert all(low < high for low, high in zip(tallies[-1].psnr_db[:2], tallies[-1].psnr_db[-2:], strict=True))


def test_a_non_finite_step_is_skipped_and_counted(recipe, pictures):
    model, optimiser, update = trainee(recipe, pictures)
    update(0, 10)
    update.read()
    before = copy.deepcopy(model.state_dict())
    moments = [value.clone() for p in model.parameters() for value in optimiser.state[p].values()]
    weight = model.transforms.analysis.enter.weight
    with torch.no_grad():
        weight.view(-1)[0] = float("nan")
    update(1, 10)
    tally = update.read()
    assert tally.skipped == 1 and tally.loss == 0 and tally.bpp == (None,) * 6
    with torch.no_grad():
        weight.view(-1)[0] = before["transforms.analysis.enter.weight"].view(-1)[0]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    after = [value for p in model.parameters() for value in optimiser.state[p].values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))
    update(2, 10)
    assert update.read().skipped == 0


def test_measuring_a_step_changes_nothing(recipe, pictures, monkeypatch):
    monkeypatch.setattr("lcodec.codec.training.update._REHEARSAL_SECONDS", 0.05)
    model, optimiser, update = trainee(recipe, pictures)
    before = copy.deepcopy(model.state_dict())
    assert 0 < update.seconds_per_step() < 10
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(not value.any() for p in model.parameters() for value in optimiser.state[p].values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # within torch
def test_compiled_steps_follow_eager_ones(recipe, pictures):
    """One of torch's compilers, without code generation: what is fused must still be traceable whole."""
    from lcodec.codec.training.costs import costs

    model = new_model(recipe.model, 0).eval()
    plan = pictures.plan(2, 0, 0)
    rgb = pictures.cut(plan.places)
    traced = torch.compile(costs, backend="aot_eager", fullgraph=True, dynamic=False)
    a, b = costs(model, recipe, rgb, plan.quality), traced(model, recipe, rgb, plan.quality)
    torch.testing.assert_close(a.loss, b.loss)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # within torch's compiler
def test_a_recorded_step_trains_as_an_eager_one_does(recipe, folder):
    cuda = torch.device("cuda")
    pictures = Crops(read_photographs(folder), 64, cuda)
    losses = {}
    for mode in ("eager", "compiled", "graph"):
        model = new_model(recipe.model, 0).to(cuda).train()
        update = Update(model, new_optimiser(model, recipe), recipe, pictures, Workers(0, 1, cuda), mode)
        losses[mode] = []
        for step in range(30):
            update(step, 60)
            if step % 10 == 9:
                losses[mode].append(update.read().loss)
    for mode in ("compiled", "graph"):
        assert losses[mode] == pytest.approx(losses["eager"], rel=0.05)
    assert losses["graph"][-1] < losses["graph"][0]


def test_crops_are_pieces_of_the_pictures(folder, pictures):
    originals = [torch.from_numpy(picture(CROP, CROP + seed, seed)) for seed in SEEDS]
    plan = pictures.plan(12, 1, 7)
    crops = (pictures.cut(plan.places) * 255).round().byte().permute(0, 2, 3, 1)
    for crop in crops:
        turns = [t.rot90(k) for t in (crop, crop.transpose(0, 1)) for k in range(4)]
        assert any(_inside(turn, original) for turn in turns for original in originals)


def _inside(crop, original):
    """Whether a crop occurs in a picture."""
    hits = (original[: -63 or None, : original.shape[1] - 63] == crop[0, 0]).all(2).nonzero()
    return any(torch.equal(original[y : y + 64, x : x + 64], crop) for y, x in hits.tolist())


def test_crops_depend_on_seed_and_step_alone(pictures):
    first, again, other = (pictures.plan(8, 1, step) for step in (7, 7, 8))
    assert torch.equal(first.places, again.places) and torch.equal(first.quality, again.quality)
    assert not torch.equal(first.places, other.places)
    assert sorted((first.quality * 8).floor().tolist()) == list(range(8))


def test_command_line_trains_plots_and_exports(tmp_path, folder):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    checkpoint, model = tmp_path / "a.checkpoint", tmp_path / "a.safetensors"
    train_it = ("train", tmp_path / "recipe.toml", "-o", checkpoint, "--data", folder)
    done = run_cli(*train_it, "--minutes", "0.05", "--set", "model.hyper=6", "--set", 'name="other"')
    assert done.returncode == 0, done.stderr.decode()
    assert b"validation" in done.stderr and b"roofline" in done.stderr and b"other" in done.stderr
    assert load_average(checkpoint)[1].prior.config.hyper == 6
    assert_one_line_error(run_cli(*train_it))
    done = run_cli("plot", tmp_path / "a.checkpoint.csv", "-o", tmp_path / "loss.png")
    assert done.returncode == 0 and (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG"), done.stderr.decode()
    done = run_cli("export", checkpoint, "-o", model, "--data", folder)
    assert done.returncode == 0 and b"against the float twin" in done.stderr, done.stderr.decode()
    unpack_model(model.read_bytes(), CPU)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--data", "nowhere"), b"nowhere"),
        (("--minutes", "0"), b"must be positive"),
        (("--resume",), b"to resume"),
        (("--set", "crop=70"), b"multiple of 16"),
        (("--set", "crop"), b"key=value"),
        (("--set", "crop=2048"), b"2048 pixels or more"),
        (("--set", "permissive=true"), b"licence"),
        (("--start", __file__), b"not a checkpoint"),
        (("--start", ROOT / "codec" / "weights" / "tiny.safetensors"), b"does not fit"),
    ],
)
def test_bad_training_arguments_are_one_line(tmp_path, folder, arguments, message):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = run_cli("train", tmp_path / "recipe.toml", "-o", tmp_path / "a", "--data", folder, *arguments)
    assert_one_line_error(done)
    assert message in done.stderr and not (tmp_path / "a").exists()


def test_a_damaged_photograph_stops_training_before_it_starts(tmp_path, folder):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "data").mkdir()
    whole = (folder / f"{SEEDS[0]}.ppm").read_bytes()
    (tmp_path / "data" / "cut.ppm").write_bytes(whole[: len(whole) // 2])
    for seed in SEEDS[1:]:
        (tmp_path / "data" / f"{seed}.ppm").write_bytes((folder / f"{seed}.ppm").read_bytes())
    done = run_cli("train", tmp_path / "recipe.toml", "-o", tmp_path / "a", "--data", tmp_path / "data")
    assert_one_line_error(done)
    assert b"cut.ppm" in done.stderr


def test_other_pictures_need_to_be_asked_for(tmp_path, recipe, pictures, held_out):
    start(tmp_path / "a", recipe, held_out, steps=1)
    with pytest.raises(ValueError, match="other pictures"):
        train(recipe, pictures, held_out, tmp_path / "a", RESUMED, ALONE)
    train(recipe, pictures, held_out, tmp_path / "a", Session(1.0, resume=True, other_pictures=True), ALONE)
    assert Checkpoint.read(tmp_path / "a").data_digest == pictures.digest


def test_conversion_costs_little(tmp_path, recipe, folder, pictures):
    start(tmp_path / "c", recipe, pictures, 10)
    packed, report = export(tmp_path / "c", 0, folder)
    coding = unpack_model(packed, CPU)
    assert coding.prior.config.latents == 8
    assert len(report) == 7 and "BD-rate" in report[-1]


def test_a_model_file_is_a_start(tmp_path, recipe, pictures):
    """Integers to floats and back are the same integers, so a committed model can be trained on."""
    start(tmp_path / "c", recipe, pictures, 10)
    _, model = load_average(tmp_path / "c")
    exact = to_exact(model.prior)
    again = to_exact(to_float(exact))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in exact.state_dict().items())

    source, source_recipe = read_start(ROOT / "codec" / "weights" / "tiny.safetensors")
    assert source_recipe is None
    shaped = Recipe.read(ROOT / "codec" / "recipes" / "tiny.toml", ["model.schedule='four-step'"])
    model = new_model(shaped.model, 0)
    start_from(model, shaped, source, None)
    heads = [head.weight for head in model.prior.heads]
    assert torch.equal(heads[0], source.prior.heads[0].weight)
    assert all(torch.equal(head, source.prior.heads[1].weight) for head in heads[1:])


def test_a_start_keeps_the_gains_of_each_lambda(tmp_path, recipe):
    other = Recipe.from_dict(recipe.to_dict() | {"lambda_low": 0.003, "lambda_high": 0.05})
    source, model = new_model(recipe.model, 0), new_model(recipe.model, 1)
    start_from(model, other, source, recipe)
    q = torch.tensor([0.25])
    weight = 0.003 * (0.05 / 0.003) ** 0.25
    old_q = torch.log(torch.tensor([weight / 0.0003])) / math.log(0.5 / 0.0003)
    gain, old_gain = model.transforms.analysis.latent_gain(q), source.transforms.analysis.latent_gain(old_q)
    torch.testing.assert_close(gain, old_gain, rtol=1e-4, atol=0)


def test_roofline_counts_convolutions_and_products():
    x = torch.ones(2, 6, 8, 8, requires_grad=True)
    full, depthwise = torch.nn.Conv2d(6, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1, groups=4)
    a = torch.ones(3, 5)
    forward = 2 * 64 * (4 * 6 * 9 + 4 * 9)
    one = Machine(macs_per_s=1.0, bytes_per_s=1e30)
    assert roofline(lambda: (depthwise(full(x)), a @ a.t()), one).macs == forward + 3 * 3 * 5
    both = roofline(lambda: depthwise(full(x)).sum().backward(), one)
    assert both.macs == 3 * forward and both.seconds == pytest.approx(3 * forward)


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path, folder):
    """torchrun with gloo: the batch is shared, the ranks stay together, one of them writes."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    path = tmp_path / "a.checkpoint"
    done = run_python(
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "lcodec", "train"),
        *map(str, (tmp_path / "recipe.toml", "-o", path, "--data", folder, "--minutes", "0.06", "--threads", "1")),
        environment={"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.count(b"validation  mean log loss") == 1
    state = Checkpoint.read(path)
    assert state.step == state.steps
    log = read_log(tmp_path / "a.checkpoint.csv")
    assert float(log[-1]["loss"]) < float(log[0]["loss"])


@pytest.mark.slow
def test_the_mean_gradient_is_that_of_the_whole_batch(tmp_path):
    """Two processes with half the batch each get the gradient of one process with all of it."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import torch\n"
        "from lcodec.codec.training.workers import Workers\n"
        "workers = Workers.join()\n"
        "x = torch.arange(8.0).view(4, 2)[workers.share(4)]\n"
        "w = torch.ones(2, requires_grad=True)\n"
        "(x @ w).square().mean().backward()\n"
        "workers.mean_gradients([w])\n"
        "said = w.grad.tolist(), workers.total(torch.ones(1)).item(), workers.agree(workers.rank + 5.0)\n"
        f"open(f'{tmp_path}/{{workers.rank}}', 'w').write(str(said))\n"
        "workers.leave()\n"
    )
    done = run_python("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script))
    x, w = torch.arange(8.0).view(4, 2), torch.ones(2, requires_grad=True)
    (x @ w).square().mean().backward()
    assert done.returncode == 0, done.stderr.decode()
    assert all((tmp_path / rank).read_text() == str((w.grad.tolist(), 2.0, 5.0)) for rank in "01")
    with pytest.raises(ValueError, match="divide"):
        Workers(0, 3, CPU).share(8)


def test_a_resumed_log_drops_what_was_lost_and_what_was_cut(tmp_path):
    path = tmp_path / "a.csv"
    log = RunLog(path, 0)
    for step in (10, 20, 30):
        log.add({"step": step, "loss": 1 / step, "validation": None})
    path.write_text(path.read_text() + "4,1")
    assert [row["step"] for row in read_log(path)] == ["10", "20", "30"]
    RunLog(path, 20).add({"step": 25, "loss": 0.5})
    assert [(row["step"], row["loss"]) for row in read_log(path)] == [("10", "0.1"), ("20", "0.05"), ("25", "0.5")]
    (tmp_path / "b.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match="not the log"):
        read_log(tmp_path / "b.csv")


def test_learning_rate_rises_then_falls_to_zero(recipe):
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 2, rel=1e-3)
    assert np.argmax(rates) == 1 and rates[-1] < 1e-3 * recipe.learning_rate


@pytest.mark.parametrize(
    "text, message",
    [
        (RECIPE.replace("seed", "sed"), "unknown key 'sed'"),
        (RECIPE.replace("hyper = 4", "hyper = 4\nspeed = 9"), "unknown key 'speed'"),
        (RECIPE.replace("crop = 64", 'crop = "64"'), "crop must be int"),
        (RECIPE.replace("crop = 64", "crop = 0"), "multiple of 16"),
        (RECIPE.replace("batch = 4", "batch = 0"), "batch must be positive"),
        (RECIPE.replace("seed = 3", "ema = 1.0"), "ema must be"),
        (RECIPE.replace("seed = 3", "lambda_low = 2.0"), "lambda_high"),
        (RECIPE + 'schedule = "three-step"', "schedule must be one of factorised, one-step, checkerboard"),
        (RECIPE.replace("[model]", "[modell]"), "needs a \\[model\\]"),
        ("name = ", "not TOML"),
        (RECIPE.replace("hyper = 4", ""), "missing hyper"),
    ],
)
def test_bad_recipes_are_named(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Recipe.read(path)


@pytest.mark.parametrize("path", sorted((ROOT / "codec" / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_parse(path):
    kind = LosslessRecipe if is_lossless(path) else VideoRecipe if is_video(path) else Recipe
    assert kind.read(path).name == path.stem
