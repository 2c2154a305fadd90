"""`lcodec serve`: a process that keeps its models, for people who code many pictures.

HTTP on a Unix socket, which only its owner can use. POST or PUT a file to /encode or /decode, with options as in
`queries`; the answer is the other file, or one line of what is wrong.

    curl --unix-socket lcodec.sock -T picture.png 'http://lcodec/encode?quality=50' -o picture.lcc
"""

import json
import os
import signal
import socket
import socketserver
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..formats.container import DEFAULT_MAX_PIXELS
from ..formats.errors import LcodecError
from ..formats.files import MAX_INPUT_BYTES
from .api import codec, codec_for
from .codec import Device
from .jobs import Done
from .queries import NOTE, decode_job, encode_job

_TIMEOUT_S = 60.0  # for a client that says nothing


@dataclass(frozen=True, slots=True)
class Service:
    """Where the work is done, and what is refused."""

    device: Device = "auto"
    max_pixels: int = DEFAULT_MAX_PIXELS

    def encode(self, query: str, data: bytes) -> Done:
        """Raises as `EncodeJob.run` does."""
        job, model = encode_job(query)
        return job.run(data, lambda: codec(model, self.device))

    def decode(self, query: str, data: bytes) -> Done:
        """Raises as `DecodeJob.run` does."""
        return decode_job(query, self.max_pixels).run(data, lambda file: codec_for(file, self.device))


def serve(path: Path, service: Service, jobs: int, ready: Callable[[], None]) -> None:
    """Serve on a new socket until interrupted or terminated; `jobs` requests are worked on at a time.

    Raises LcodecError where a server listens there already, OSError where no socket can be.
    """
    _make_room(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    before = os.umask(0o177)
    try:
        server = _Server(path, service, jobs)
    finally:
        os.umask(before)
    try:
        with server:
            ready()
            server.serve_forever()
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def _make_room(path: Path) -> None:
    """Take away the socket of a server that is no more."""
    if not path.is_socket():
        if path.exists():
            raise LcodecError(f"{path} is there already, and it is no socket")
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise LcodecError(f"a server listens at {path} already")


class _Server(socketserver.UnixStreamServer):
    """Requests on threads that stay, since what ends with a thread can be as slow as what begins with it."""

    request_queue_size = 64

    def __init__(self, path: Path, service: Service, jobs: int) -> None:
        self.service = service
        self._pool = ThreadPoolExecutor(jobs, "lcodec-serve")
        super().__init__(str(path), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._pool.submit(self._answer, request, client_address)

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client is gone
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        self._pool.shutdown(cancel_futures=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        self._send(HTTPStatus.OK, json.dumps({"lcodec": __version__}).encode(), "application/json")

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        work = {"/encode": self.server.service.encode, "/decode": self.server.service.decode}.get(address.path)
        if not (length := self.headers.get("Content-Length", "")).isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a request says how long it is")
            return
        if int(length) > MAX_INPUT_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a file of more than {MAX_INPUT_BYTES} bytes")
            return
        data = self.rfile.read(int(length))
        if work is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {address.path}: there are /encode and /decode")
            return
        try:
            done = work(address.query, data)
        except (LcodecError, ValueError, ImportError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (MemoryError, RuntimeError) as error:
            print(f"lcodec: {error!r}", file=sys.stderr, flush=True)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"this could not be done: {type(error).__name__}")
        else:
            self._send(HTTPStatus.OK, done.data, "application/octet-stream", done.notes)

    do_PUT = do_POST

    def _refuse(self, status: HTTPStatus, line: str) -> None:
        self.close_connection = True
        self._send(status, (" ".join(line.split()) + "\n").encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str, notes: tuple[str, ...] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for note in notes:
            self.send_header(NOTE, note.encode("ascii", "backslashreplace").decode())
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not logged: their addresses may hold comments."""
