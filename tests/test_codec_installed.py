"""`lcodec models`: lists, verifies and locates weights, and fetches those that do not ship."""

import hashlib
import json

import pytest
from checks import assert_one_line_error, run_cli, run_process

from lcodec.codec import registry
from lcodec.codec.cli import main
from lcodec.codec.installed import known, look
from lcodec.codec.registry import MODELS, Entry, by_name
from lcodec.codec.weights_cache import find_weights, weights_path

DATA = b"the weights of an earlier base " * 99
OLD = Entry(2, "base", hashlib.sha256(DATA).hexdigest(), "retired", "of lcodec 0.0.9")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A version that has retired OLD, with an empty cache and a release that has OLD."""
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LCODEC_RELEASES", (tmp_path / "release").as_uri())
    monkeypatch.setattr(registry, "RETIRED", (OLD,))
    monkeypatch.setattr("lcodec.codec.installed.RETIRED", (OLD,))
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / f"{OLD.full_name}.safetensors").write_bytes(DATA)


@pytest.fixture
def run(capsys):
    """Run a command; its exit code, and the lines on stdout and on stderr."""

    def call(*arguments):
        code = main(["models", *arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def test_listed_with_their_places(run):
    code, lines, talk = run()
    assert code == 0 and talk == [] and len(lines) == len(MODELS) + 1
    for entry, line in zip(MODELS, lines, strict=False):
        assert line.split()[:3] == [str(entry.wire_id), entry.name, entry.weights]
        assert "shipped" in line and str(find_weights(entry)) in line and entry.description in line
    assert "retired" in lines[-1] and "not here" in lines[-1]
    assert run("--fetch", OLD.full_name)[0] == 0
    assert "here" in run()[1][-1] and str(weights_path(OLD)) in run()[1][-1]


def test_fetched_once_and_located(run):
    code, lines, talk = run("--path", OLD.full_name)
    assert code == 1 and lines == [] and len(talk) == 1 and "not on this machine" in talk[0]
    for option in ("--fetch", "--fetch", "--path"):
        assert run(option, OLD.full_name) == (0, [str(weights_path(OLD))], [])
    assert weights_path(OLD).read_bytes() == DATA
    assert run("--path", "base") == run("--fetch", "base") == (0, [str(find_weights(by_name("base")))], [])


def test_verified_by_their_hash(run):
    code, lines, talk = run("--verify")
    assert code == 0 and talk == [] and sum(" ok " in line for line in lines) == len(MODELS)
    run("--fetch", OLD.full_name)
    assert sum(" ok " in line for line in run("--verify")[1]) == len(MODELS) + 1
    weights_path(OLD).write_bytes(DATA[:-1])
    code, lines, talk = run("--verify")
    assert code == 1 and talk == [f"lcodec: damaged: {weights_path(OLD)}"]
    assert sum(" ok " in line for line in lines) == len(MODELS) and "damaged" in lines[-1]


def test_as_json(run):
    code, lines, talk = run("--json", "--verify")
    rows = json.loads(*lines)
    assert code == 0 and talk == [] and [row["state"] for row in rows] == ["ok"] * len(MODELS) + ["not here"]
    assert rows[-1] == {
        "model_id": 2,
        "model": "base",
        "weights": OLD.weights,
        "standing": "retired",
        "description": "of lcodec 0.0.9",
        "path": str(weights_path(OLD)),
        "file_bytes": None,
        "state": "not here",
    }
    assert [row["path"] for row in json.loads(*run("--path", "tiny", "--json")[1])] == [str(find_weights(MODELS[0]))]


def test_others_in_the_cache_are_listed_too():
    """Such as a candidate under trial, or the weights of a newer version."""
    other = by_name("tiny-0123456789abcdef")
    weights_path(other).parent.mkdir(parents=True)
    for name in (weights_path(other).name, "notes-on-this.safetensors", f"{by_name('base').full_name}.safetensors"):
        (weights_path(other).parent / name).touch()
    assert known() == (*MODELS, OLD, other)
    assert [row.state for row in look([other], verify=False)] == ["here"]
    assert [row.state for row in look([other], verify=True)] == ["damaged"]


def test_on_the_command_line():
    assert run_process("models", "--verify").returncode == 0
    assert_one_line_error(run_cli("models", "--path", "nope"))
    assert_one_line_error(run_cli("models", "--fetch", "base-0123456789abcdef"))
    done = run_cli("models", "--path", "base", "--fetch", "base")
    assert done.returncode == 2 and b"usage" in done.stderr
