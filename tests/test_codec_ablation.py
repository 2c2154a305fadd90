"""`lcodec ablate` on tiny models: what it trains, keeps, measures and refuses."""

import re
from dataclasses import replace

import pytest
from checks import picture
from test_codec_training import RECIPE, SEEDS

from lcodec.codec import ablation, cli
from lcodec.codec.ablation import Ablation, ablate
from lcodec.codec.evaluation import run
from lcodec.codec.training.checkpoint import Checkpoint
from lcodec.codec.training.validation import CROP
from lcodec.formats.picture_writing import write_picture


@pytest.fixture
def wanted(tmp_path, monkeypatch, known_speed):
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ablation, "SIDES", (192, 320))
    monkeypatch.setattr(run, "peak_memory_bytes", lambda *_: 5 * 2**20)  # a fresh process each, tested elsewhere
    data = tmp_path / "photographs"
    data.mkdir()
    for seed in SEEDS:
        (data / f"{seed}.ppm").write_bytes(write_picture(picture(CROP, CROP + seed, seed), ".ppm"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    return Ablation(
        recipe,
        ("batch=2", "model.latents=48"),
        "model.transform",
        ("gated", "swin"),
        (0, 1),
        3,
        tmp_path / "runs",
        data,
        1,
        "lcodec ablate",
    )


def table(text, start):
    """The rows of the table that begins with a cell."""
    lines = text[text.index(f"| {start} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]


@pytest.mark.slow
def test_runs_are_trained_once_and_compared_by_their_files(wanted):
    said = []
    first = ablate(wanted, said.append)
    rates, sizes = (table(text, "transform") for text in first.split("Square pictures"))
    assert [row[0] for row in rates] == ["transform", "gated", "swin"] and rates[1][1:4] == ["+0.00 %"] * 3
    seeds = [float(cell.split()[0]) for cell in rates[2][1:4]]
    assert seeds[2] == pytest.approx(sum(seeds[:2]) / 2, abs=0.006) and seeds[0] != seeds[1]
    assert int(rates[2][5].replace(",", "")) > int(rates[1][5].replace(",", "")) > 1000
    assert [row[0] for row in sizes[1:]] == ["gated", "swin"] and all(len(row) == 7 for row in sizes[1:])
    assert re.search(r"held-out pictures, digest [0-9a-f]{12}", first) and "`lcodec ablate`" in first
    for transform in wanted.values:
        for seed in wanted.seeds:
            record = Checkpoint.read(wanted.folder / f"{transform}-{seed}.checkpoint")
            assert (record.step, record.recipe.seed, record.recipe.model.transform) == (3, seed, transform)
    times = {path: path.stat().st_mtime_ns for path in wanted.folder.glob("*.checkpoint")}
    assert ablate(wanted, said.append) == first
    assert times == {path: path.stat().st_mtime_ns for path in wanted.folder.glob("*.checkpoint")}
    with pytest.raises(ValueError, match="of a run of 3 steps, not 2"):
        ablate(replace(wanted, steps=2), said.append)
    with pytest.raises(ValueError, match="transform must be one of"):
        ablate(replace(wanted, values=("other",)), said.append)


@pytest.mark.parametrize(
    "value, line",
    [("swin", 'model.x="swin"'), ("96", "model.x=96"), ("true", "model.x=true"), ("four-step", 'model.x="four-step"')],
)
def test_values_are_toml_or_words(value, line):
    assert ablation.change("model.x", value) == line


def test_bad_ranges_are_refused(capsys):
    for vary in ("model.transform", "=a,b", "model.transform=a,,b"):
        assert cli.main(["ablate", "recipe.toml", "-o", "runs", "--steps", "2", "--vary", vary]) == 1
        assert "--vary takes KEY=A,B,..." in capsys.readouterr().err
