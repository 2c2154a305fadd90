"""Whole files in and out. `-` is standard input and output; an output appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .errors import FormatError, LcodecError

MAX_INPUT_BYTES = 2**30
PARTIAL_SUFFIX = ".partial"
_CHUNK_BYTES = 2**20


def read_input(path: str) -> bytes:
    """All bytes of a file, or of standard input for `-`.

    LcodecError if it cannot be read or has more than MAX_INPUT_BYTES, FormatError if it is empty.
    """
    try:
        if path == "-":
            data = _read_bounded(sys.stdin.buffer)
        else:
            with open(path, "rb") as handle:
                data = _read_bounded(handle)
    except (OSError, ValueError) as error:
        raise LcodecError(f"cannot read {_shown(path)}: {_reason(error)}") from error
    if data is None:
        raise LcodecError(f"cannot read {_shown(path)}: it has more than {MAX_INPUT_BYTES} bytes")
    if not data:
        raise FormatError(f"{_shown(path)} is empty")
    return data


def check_output(path: str, overwrite: bool) -> None:
    """Raise now what `write_output` would raise later for the same path: call it before long work."""
    if path == "-":
        return
    target = _target_status(path)
    if target is None or stat.S_ISREG(target.st_mode):
        folder = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(folder):
            raise LcodecError(f"cannot write {_shown(path)}: there is no folder {folder!r}")
        if not os.access(folder, os.W_OK):
            raise LcodecError(f"cannot write {_shown(path)}: no permission to write in its folder")
    if target is None:
        return
    if stat.S_ISDIR(target.st_mode):
        raise LcodecError(f"cannot write {_shown(path)}: it is a folder")
    if stat.S_ISREG(target.st_mode) and not overwrite:
        raise LcodecError(f"{_shown(path)} exists: not overwritten without -f (overwrite=True)")


def write_output(path: str, data: bytes, overwrite: bool) -> None:
    """Write a file whole or not at all (short of a power cut), or to standard output for `-`.

    The bytes go to a temporary file in the same folder, which then takes the name; through a symbolic link,
    the name it points to. What is no regular file (a device, a pipe) is written straight. LcodecError if the
    target exists and `overwrite` is false, or cannot be written.
    """
    check_output(path, overwrite)
    try:
        if path == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        target = _target_status(path)
        if target is None or stat.S_ISREG(target.st_mode):
            _replace(os.path.realpath(path), data, target)
        else:
            with open(path, "wb") as handle:
                handle.write(data)
    except (OSError, ValueError) as error:
        raise LcodecError(f"cannot write {_shown(path)}: {_reason(error)}") from error


def _replace(path: str, data: bytes, old: os.stat_result | None) -> None:
    temporary = os.path.join(os.path.dirname(path), f".lcodec-{secrets.token_hex(6)}.tmp")
    handle = open(temporary, "xb")  # noqa: SIM115 - what follows must know that the file is ours
    try:
        with handle:
            handle.write(data)
        if old is not None:
            os.chmod(temporary, stat.S_IMODE(old.st_mode))
        os.replace(temporary, path)
    except BaseException:  # KeyboardInterrupt included
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _target_status(path: str) -> os.stat_result | None:
    """The status of what `path` leads to, None if nothing is there yet."""
    if not os.path.basename(path):
        raise LcodecError(f"cannot write {_shown(path)}: it names a folder, not a file")
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LcodecError(f"cannot write {_shown(path)}: {_reason(error)}") from error


def _read_bounded(handle: BinaryIO) -> bytes | None:
    """All that is left in `handle`, None if that is more than MAX_INPUT_BYTES."""
    parts, size = [], 0
    while part := handle.read(_CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_INPUT_BYTES:
            return None
    return b"".join(parts)


def _shown(path: str) -> str:
    return "standard input or output" if path == "-" else repr(path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def whole_output(path: str, overwrite: bool) -> Iterator[str]:
    """The name of a temporary file in the same folder, which takes the name in the end if all went well.

    What is no regular file (a device, a pipe) is named itself. LcodecError as of `write_output`.
    """
    check_output(path, overwrite)
    target = _target_status(path)
    if target is not None and not stat.S_ISREG(target.st_mode):
        yield path
        return
    real = os.path.realpath(path)
    temporary = os.path.join(os.path.dirname(real), f".lcodec-{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        if target is not None:
            os.chmod(temporary, stat.S_IMODE(target.st_mode))
        os.replace(temporary, real)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise LcodecError(f"cannot write {_shown(path)}: {_reason(error)}") from error
        raise


@contextmanager
def growing_output(path: str, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write bit by bit, whose beginning is of use: its name ends with PARTIAL_SUFFIX until it is whole.

    If it does not become whole, it stays there. `-` is standard output. LcodecError as of `write_output`.
    """
    check_output(path, overwrite)
    target = None if path == "-" else _target_status(path)
    try:
        if path == "-":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        if target is not None and not stat.S_ISREG(target.st_mode):
            with open(path, "wb") as file:
                yield file
            return
        real = os.path.realpath(path)
        growing = real + PARTIAL_SUFFIX
        try:
            with open(growing, "wb") as file:
                yield file
            os.replace(growing, real)
        except BaseException:
            with suppress(OSError):
                if not os.path.getsize(growing):
                    os.unlink(growing)
            raise
    except OSError as error:
        raise LcodecError(f"cannot write {_shown(path)}: {_reason(error)}") from error


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """A file for reading bit by bit; `-` is standard input. LcodecError if it cannot be read."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; what happens within is not about opening
    except (OSError, ValueError) as error:
        raise LcodecError(f"cannot read {_shown(path)}: {_reason(error)}") from error
    with file:
        yield file


def first_bytes(path: str, count: int) -> bytes:
    """The beginning of a file, or of standard input, which is still to be read. Empty where it cannot be read."""
    try:
        if path == "-":
            peek = getattr(sys.stdin.buffer, "peek", None)
            return b"" if peek is None else bytes(peek(count)[:count])
        with open(path, "rb") as file:
            return file.read(count)
    except (OSError, ValueError):
        return b""
