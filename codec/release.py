"""Bytes from the release address, which is a folder on a server (https, http) or on this machine (file).

No default: nothing is ever downloaded unless LCODEC_RELEASES names the address. What arrives is any bytes; the
caller knows what they must be.
"""

import os
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..formats.errors import ModelError

ENVIRONMENT_VARIABLE = "LCODEC_RELEASES"
MAX_DOWNLOAD_BYTES = 64 * 2**20
_SILENCE_SECONDS = 30.0  # of the server, before we give up
_SCHEMES = ("https", "http", "file")


def release_address(file_name: str) -> str | None:
    """Where a file of the release is, None if no release address is set. Raises ModelError if that is no address."""
    base = os.environ.get(ENVIRONMENT_VARIABLE)
    if not base:
        return None
    if base.partition("://")[0].lower() not in _SCHEMES:
        raise ModelError(f"{ENVIRONMENT_VARIABLE} is {base!r}, not an address that begins https://, http:// or file://")
    return f"{base.rstrip('/')}/{file_name}"


def download(address: str) -> bytes:
    """The bytes at an address, at most MAX_DOWNLOAD_BYTES. Raises ModelError with the address and the reason."""
    try:
        with build_opener(_Redirects).open(address, timeout=_SILENCE_SECONDS) as response:
            data: bytes = response.read(MAX_DOWNLOAD_BYTES + 1)
    except HTTPError as error:
        error.close()
        raise ModelError(f"cannot download {address}: the server answers {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ModelError(f"cannot download {address}: {_reason(error)}") from None
    if len(data) > MAX_DOWNLOAD_BYTES:
        raise ModelError(f"cannot download {address}: it has more than {MAX_DOWNLOAD_BYTES} bytes")
    return data


class _Redirects(HTTPRedirectHandler):
    """Follows to https, and from http to http, but never out of https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.lower().startswith(("https:", f"{req.type}:")):
            fp.close()
            raise URLError(f"it redirects from {req.type} to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    text = getattr(cause, "strerror", None) or str(cause)
    # Part of it may be what a server sent.
    return text if text and text.isprintable() else type(cause).__name__
