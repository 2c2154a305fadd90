"""Downloads from a release address: what arrives, and what is refused in one line."""

import io
import socket
import threading
from urllib.error import URLError
from urllib.request import Request

import pytest
from web_server import web_server

from lcodec import ModelError
from lcodec.codec import release
from lcodec.codec.release import ENVIRONMENT_VARIABLE, download, release_address


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with web_server() as running:
        yield running


def refused(address):
    """The message of the refusal: one line with the address."""
    with pytest.raises(ModelError) as caught:
        download(address)
    assert address in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_an_address_is_the_folder_and_the_name(monkeypatch):
    for base in ("https://host/folder", "https://host/folder/", "file:///folder", "HTTP://host"):
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, base)
        assert release_address("a.bin") == f"{base.rstrip('/')}/a.bin"


def test_there_is_no_address_by_default(monkeypatch):
    assert release_address("a.bin") is None
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert release_address("a.bin") is None


@pytest.mark.parametrize("base", ["host/folder", "ftp://host", "data:,x", "/folder", "://", "https:/host"])
def test_other_kinds_of_address_are_refused(base, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, base)
    with pytest.raises(ModelError, match=ENVIRONMENT_VARIABLE):
        release_address("a.bin")


def test_bytes_arrive_from_servers_and_folders(web, tmp_path):
    data = bytes(range(256)) * 999
    web.pages["/a"] = data
    (tmp_path / "a b").write_bytes(data)
    assert download(f"{web.address}/a") == download((tmp_path / "a b").as_uri()) == data


def test_absent_files_are_named(web, tmp_path):
    assert "404" in refused(f"{web.address}/absent")
    assert "No such file" in refused((tmp_path / "absent").as_uri())


def test_no_more_is_read_than_allowed(web, monkeypatch):
    monkeypatch.setattr(release, "MAX_DOWNLOAD_BYTES", 1000)
    web.pages |= {"/most": bytes(1000), "/more": bytes(1001)}
    assert download(f"{web.address}/most") == bytes(1000)
    assert "more than 1000 bytes" in refused(f"{web.address}/more")


def test_nobody_there(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with web_server() as gone:
        pass
    assert "refused" in refused(f"{gone.address}/a")


@pytest.mark.parametrize("answer", [b"", b"\x1b[31mred\x1b[0m\r\n\r\n"], ids=["silence", "no web server"])
def test_servers_that_answer_nothing_of_use(answer, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(release, "_SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                done.wait(5)

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        message = refused(f"http://127.0.0.1:{listening.getsockname()[1]}/a")
        done.set()
        thread.join()
    assert message.isprintable()


def test_redirects_are_followed_but_not_to_other_kinds_of_address(web, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    web.pages |= {
        "/a": b"here",
        "/there": f"{web.address}/a",
        "/relative": "a",
        "/file": (tmp_path / "secret").as_uri(),
        "/ftp": "ftp://127.0.0.1/a",
        "/loop": "/loop",
    }
    assert download(f"{web.address}/there") == download(f"{web.address}/relative") == b"here"
    for path in ("/file", "/ftp", "/loop"):
        refused(web.address + path)


@pytest.mark.parametrize(
    "start, target, allowed", [("https", "http", False), ("https", "https", True), ("http", "https", True)]
)
def test_redirects_never_leave_https(start, target, allowed):
    body = io.BytesIO()
    arguments = (Request(f"{start}://host/a"), body, 302, "Found", {}, f"{target}://host/b")
    if allowed:
        assert release._Redirects().redirect_request(*arguments).full_url == f"{target}://host/b"
        return
    with pytest.raises(URLError, match="redirects from https to http://host/b"):
        release._Redirects().redirect_request(*arguments)
    assert body.closed
