"""Whole files in and out: standard streams, refusals, and nothing left behind."""

import io
import os
import stat
import sys
import threading
from types import SimpleNamespace

import pytest

from lcodec.formats import files
from lcodec.formats.errors import FormatError, LcodecError
from lcodec.formats.files import check_output, read_input, write_output

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX special files")


def refused(call, *arguments):
    """The one-line message of the LcodecError that `call` raises."""
    with pytest.raises(LcodecError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", [1, 2**20, 2**20 + 1])
def test_write_then_read(tmp_path, size):
    path = str(tmp_path / "a.lcc")
    data = os.urandom(size)
    write_output(path, data, overwrite=False)
    assert read_input(path) == data
    assert os.listdir(tmp_path) == ["a.lcc"]


def test_names_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_output("plain", overwrite=False)
    write_output("plain", b"x", overwrite=False)
    assert read_input("plain") == b"x"


def test_standard_streams(monkeypatch):
    sink = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"in\r\n")))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=sink))
    assert read_input("-") == b"in\r\n"
    check_output("-", overwrite=False)
    write_output("-", b"out\n", overwrite=False)
    assert sink.getvalue() == b"out\n"
    with pytest.raises(FormatError, match="standard input"):
        read_input("-")


def test_closed_pipe_is_one_line(monkeypatch):
    def write(data):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=SimpleNamespace(write=write)))
    assert "Broken pipe" in refused(write_output, "-", b"x", False)


def test_unreadable_inputs(tmp_path):
    assert "No such file" in refused(read_input, str(tmp_path / "missing"))
    refused(read_input, str(tmp_path))
    refused(read_input, "nul\0byte")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    refused(read_input, str(plain / "below"))
    with pytest.raises(FormatError, match="empty"):
        read_input(str(plain))


def test_input_beyond_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "big"
    path.write_bytes(bytes(11))
    monkeypatch.setattr(files, "MAX_INPUT_BYTES", 11)
    assert len(read_input(str(path))) == 11
    monkeypatch.setattr(files, "MAX_INPUT_BYTES", 10)
    assert "more than 10 bytes" in refused(read_input, str(path))


@posix_only
def test_endless_input_is_bounded(monkeypatch):
    monkeypatch.setattr(files, "MAX_INPUT_BYTES", 3_000_000)
    assert "more than" in refused(read_input, "/dev/zero")


def test_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for call in (lambda: check_output(str(path), False), lambda: write_output(str(path), b"new", False)):
        assert "exists" in refused(call)
    assert path.read_bytes() == b"old"
    check_output(str(path), True)
    write_output(str(path), b"new", True)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_impossible_outputs(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    for path in (tmp_path, tmp_path / "missing" / "a", plain / "below", "", f"{tmp_path}/new/", "nul\0byte"):
        for overwrite in (False, True):
            refused(check_output, str(path), overwrite)
            refused(write_output, str(path), b"y", overwrite)
    assert os.listdir(tmp_path) == ["plain"] and plain.read_bytes() == b"x"


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("exists", [False, True])
def test_failure_before_the_rename_leaves_nothing(tmp_path, monkeypatch, failure, exists):
    path = tmp_path / "a"
    if exists:
        path.write_bytes(b"old")

    def fail(source, target):
        assert os.path.getsize(source) == 3
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(LcodecError if isinstance(failure, OSError) else type(failure)):
        write_output(str(path), b"new", overwrite=True)
    assert os.listdir(tmp_path) == (["a"] if exists else [])
    assert not exists or path.read_bytes() == b"old"


def test_failure_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_output(str(tmp_path / "a"), "not bytes", overwrite=False)
    assert os.listdir(tmp_path) == []


@posix_only
def test_permission_bits_follow_the_umask_or_the_old_file(tmp_path):
    path = tmp_path / "a"
    before = os.umask(0o027)
    try:
        write_output(str(path), b"x", overwrite=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_output(str(path), b"y", overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@posix_only
@pytest.mark.parametrize("exists", [False, True])
def test_symbolic_link_stays_and_its_target_is_written(tmp_path, exists):
    target, link = tmp_path / "target", tmp_path / "link"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    write_output(str(link), b"new", overwrite=exists)
    assert link.is_symlink() and target.read_bytes() == b"new"


@posix_only
def test_devices_and_pipes_are_written_straight(tmp_path):
    for overwrite in (False, True):
        check_output("/dev/null", overwrite)
        write_output("/dev/null", b"gone", overwrite)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(read_input(pipe)), daemon=True)
    reader.start()
    write_output(pipe, b"through", overwrite=False)
    reader.join(timeout=10)
    assert received == [b"through"] and stat.S_ISFIFO(os.stat(pipe).st_mode)
