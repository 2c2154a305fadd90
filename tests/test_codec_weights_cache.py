"""Weights that do not ship: where they lie, how they come, and that no others are ever used in their place."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checks import picture
from web_server import web_server

import lcodec
from lcodec.codec import registry, weights_cache
from lcodec.codec.registry import MODELS, Entry, by_file, by_name
from lcodec.codec.weights_cache import cache_folder, fetch_weights, find_weights, intact, read_weights, weights_path
from lcodec.formats.container import pack, unpack

DATA = b"the weights of an earlier base " * 99
OLD = Entry(2, "base", hashlib.sha256(DATA).hexdigest(), "retired", "of lcodec 0.0.9")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with web_server() as running:
        monkeypatch.setenv("LCODEC_RELEASES", f"{running.address}/release")
        running.pages[f"/release/{OLD.full_name}.safetensors"] = DATA
        yield running


def refused(entry=OLD, read=read_weights):
    """The message of the refusal: one line."""
    with pytest.raises(lcodec.LcodecError) as caught:
        read(entry)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("entry", MODELS, ids=lambda e: e.name)
def test_the_package_holds_the_weights_that_the_registry_states(entry):
    if entry.standing == "shipped":
        assert hashlib.sha256(find_weights(entry).read_bytes()).hexdigest() == entry.sha256
        assert intact(entry)


def test_the_package_holds_no_other_weights():
    shipped = {weights_path(entry) for entry in MODELS if entry.standing == "shipped"}
    assert set(registry.PACKAGED.glob("*.safetensors")) == shipped


def test_models_are_named_with_and_without_their_weights(monkeypatch):
    base = by_name("base")
    assert by_name(base.full_name) == base == by_file(base.wire_id, bytes.fromhex(base.weights))
    unlisted = by_name(f"base-{OLD.weights}")
    assert (unlisted.standing, unlisted.weights) == ("unlisted", OLD.weights)
    monkeypatch.setattr(registry, "RETIRED", (OLD,))
    assert by_name(OLD.full_name) == by_file(2, bytes.fromhex(OLD.weights)) == OLD
    assert by_name(f"tiny-{OLD.weights}").standing == "unlisted"


@pytest.mark.parametrize(
    "weights", ["", "../../../etc/passwd", "90BD4AE3C818B516", "90bd4ae3c818b51", "90bd4ae3c818b516\n"]
)
def test_only_sixteen_digits_name_weights(weights):
    with pytest.raises(ValueError, match="16 hexadecimal digits"):
        by_name(f"base-{weights}")


def test_the_cache_is_where_the_environment_says(home, monkeypatch, tmp_path):
    assert cache_folder() == home / "weights"
    monkeypatch.setenv("LCODEC_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "lcodec" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification of these folders
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder().parts[: len(tmp_path.parts)] == tmp_path.parts
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(lcodec.ModelError, match="LCODEC_HOME"):
        cache_folder()
    assert read_weights(by_name("tiny"))  # what ships needs no home


def no_home():
    raise RuntimeError("no home")


def test_downloaded_once_then_read_from_the_cache(web, home):
    assert read_weights(OLD) == DATA
    assert files_in(home) == [home / "weights" / f"{OLD.full_name}.safetensors"] == [find_weights(OLD)]
    assert read_weights(OLD) == DATA and fetch_weights(OLD) == find_weights(OLD)
    assert len(web.asked) == 1


def test_a_folder_will_do_for_a_release(home, tmp_path, monkeypatch):
    (tmp_path / f"{OLD.full_name}.safetensors").write_bytes(DATA)
    monkeypatch.setenv("LCODEC_RELEASES", tmp_path.as_uri())
    assert read_weights(OLD) == DATA == find_weights(OLD).read_bytes()


def test_a_file_put_there_by_hand_needs_no_network(home):
    weights_path(OLD).parent.mkdir(parents=True)
    weights_path(OLD).write_bytes(DATA)
    assert read_weights(OLD) == DATA and intact(OLD)


def test_sixteen_digits_of_a_file_are_enough(web):
    assert read_weights(replace(OLD, sha256=OLD.weights, standing="unlisted")) == DATA


def test_without_a_release_address_the_place_is_told():
    for read in (read_weights, fetch_weights, find_weights):
        message = refused(read=read)
        assert str(weights_path(OLD)) in message and "LCODEC_RELEASES" in message
        assert "retired: of lcodec 0.0.9" in message and OLD.full_name in message
    assert intact(OLD) is None


def test_wrong_bytes_are_refused_and_not_kept(web, home):
    (path,) = web.pages
    for wrong in (b"", DATA[:-1], DATA + b"x"):
        web.pages[path] = wrong
        assert "SHA-256" in refused()
    assert files_in(home) == []


def test_the_full_digest_counts_where_it_is_known(web):
    other = replace(OLD, sha256=OLD.weights + "0" * 48)
    assert "SHA-256" in refused(other)


def test_offline_the_address_and_the_place_are_told(monkeypatch, home):
    monkeypatch.setenv("no_proxy", "*")
    with web_server() as gone:
        monkeypatch.setenv("LCODEC_RELEASES", gone.address)
    message = refused()
    assert f"{gone.address}/{OLD.full_name}.safetensors" in message and str(weights_path(OLD)) in message
    assert files_in(home) == []


def test_a_damaged_file_in_the_cache_is_named_and_can_be_fetched_anew(web):
    fetch_weights(OLD).write_bytes(DATA[::-1])
    message = refused()
    assert str(weights_path(OLD)) in message and f"--fetch {OLD.full_name}" in message
    assert intact(OLD) is False
    fetch_weights(OLD)
    assert read_weights(OLD) == DATA


def test_a_damaged_or_incomplete_package_is_named_and_nothing_is_downloaded(web, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_cache, "PACKAGED", tmp_path)
    tiny = by_name("tiny")
    assert "install lcodec again" in refused(tiny)
    weights_path(tiny).write_bytes(b"damaged")
    for read in (read_weights, fetch_weights):
        assert "install lcodec again" in refused(tiny, read)
    assert web.asked == []


def test_a_cache_that_cannot_be_written_is_named(web, home):
    home.write_text("a file where the folder should be")
    assert str(home) in refused()


def test_threads_may_fetch_at_once(web, home):
    together = threading.Barrier(4)

    def read(_):
        together.wait()
        return read_weights(OLD)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [DATA] * 4
    assert files_in(home) == [find_weights(OLD)]


@pytest.fixture(scope="module")
def other_tiny():
    """A model file that differs from the shipped one in a bias of the synthesis: all its pictures are brighter."""
    data = bytearray(read_weights(by_name("tiny")))
    header_bytes = int.from_bytes(data[:8], "little")
    place = json.loads(data[8 : 8 + header_bytes])["transforms.synthesis.leave.bias"]
    start, end = (8 + header_bytes + offset for offset in place["data_offsets"])
    bias = np.frombuffer(bytes(data[start:end]), "<f2").copy()
    bias[0] += 1
    data[start:end] = bias.tobytes()
    return bytes(data)


def test_files_of_other_weights_decode_where_those_can_be_had(other_tiny, web, tmp_path):
    weights = hashlib.sha256(other_tiny).hexdigest()[:16]
    name = f"tiny-{weights}"
    with pytest.raises(lcodec.ModelError, match="404"):
        lcodec.Codec(name, "cpu")
    web.pages[f"/release/{name}.safetensors"] = other_tiny
    other = lcodec.Codec(name, "cpu")
    assert other.weights == weights
    original = picture(33, 47)
    data = other.encode(original, 60)
    expected = other.decode(data)

    (tmp_path / "old.lcc").write_bytes(data)
    assert np.array_equal(lcodec.decode(data), expected)
    assert np.array_equal(np.asarray(lcodec.open(tmp_path / "old.lcc")), expected)
    assert web.asked.count(f"/release/{name}.safetensors") == 2  # absent, then there: the cache served the rest

    stream = unpack(data)
    ours = by_name("tiny")
    renamed = replace(stream, header=replace(stream.header, weights_hash=bytes.fromhex(ours.weights)))
    assert np.abs(lcodec.decode(pack(renamed)).astype(int) - expected.astype(int)).max() > 2
    with pytest.raises(lcodec.ModelError, match=f"'{name}', and this codec is '{ours.full_name}'"):
        lcodec.Codec("tiny", "cpu").decode(data)


def test_info_tells_what_the_weights_are_to_this_version(monkeypatch):
    data = lcodec.encode(picture(5, 5), model="tiny")
    assert lcodec.info(data).standing == "shipped"
    stream = unpack(data)
    old = pack(replace(stream, header=replace(stream.header, model_id=2, weights_hash=bytes.fromhex(OLD.weights))))
    assert lcodec.info(old).standing == "unlisted"
    monkeypatch.setattr(registry, "RETIRED", (OLD,))
    assert lcodec.info(old).standing == "retired"
    with pytest.raises(lcodec.ModelError, match=r"retired: of lcodec 0\.0\.9"):
        lcodec.decode(old)
