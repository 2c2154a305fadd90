"""Asks a server of `lcodec serve` to do a job. Loads neither torch nor numpy."""

import socket
from http.client import HTTPConnection, HTTPException

from ..formats.errors import LcodecError
from .jobs import DecodeJob, Done, EncodeJob
from .queries import NOTE, decode_query, encode_query


def encode_by(server: str, job: EncodeJob, model: str, data: bytes) -> Done:
    """The file that a server makes of a picture's. Raises LcodecError with what it says, or if there is none."""
    return _asked(server, f"/encode?{encode_query(job, model)}", data)


def decode_by(server: str, job: DecodeJob, data: bytes) -> Done:
    """The picture file that a server makes of a coded one. Raises as `encode_by` does."""
    return _asked(server, f"/decode?{decode_query(job)}", data)


class _Connection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("lcodec")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _asked(server: str, address: str, data: bytes) -> Done:
    connection = _Connection(server)
    try:
        connection.request("POST", address, data)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise LcodecError(f"no answer from a server at {server}: {reason}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise LcodecError(body.decode("utf-8", "replace").strip())
    return Done(body, tuple(answer.headers.get_all(NOTE, ())))
