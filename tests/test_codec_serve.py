"""The server on a Unix socket: the same files as without it, for several at a time, and one line for what is wrong."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection

import numpy as np
import pytest
from checks import GOLDEN, assert_one_line_error, run_cli, run_python

import lcodec
from lcodec.codec.client import _Connection, encode_by
from lcodec.codec.jobs import DecodeJob, EncodeJob
from lcodec.codec.queries import decode_job, decode_query, encode_job, encode_query
from lcodec.codec.target import Target
from lcodec.formats.pictures import read_picture

SOURCE = GOLDEN / "large-q100.source.png"


def started(path, *options):
    command = [sys.executable, "-m", "lcodec", "serve", str(path), "-m", "tiny", "--device", "cpu", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr.readline().startswith(b"lcodec: serving at")
    return process


@pytest.fixture(scope="module")
def socket(tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "s"
    process = started(path, "--max-pixels", "200000")
    yield path
    with process:
        process.terminate()
    assert process.returncode == 0 and not path.exists()


def asked(socket, method, address, body=None, headers=None):
    with closing(_Connection(str(socket))) as connection:
        connection.request(method, address, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_files_are_those_of_the_command_without_it(socket, tmp_path):
    coded, again, picture = (tmp_path / name for name in ("a.lcc", "b.lcc", "c.png"))
    options = ("-m", "tiny", "-q", "37.5", "--comment", "grüße", "--tile", "256", "--strip")
    assert run_cli("encode", SOURCE, "-o", coded, *options, "--server", socket).returncode == 0
    assert run_cli("encode", SOURCE, "-o", again, *options).returncode == 0
    assert coded.read_bytes() == again.read_bytes()
    region = ("--region", "3,5,40,50")
    assert run_cli("decode", coded, "-o", picture, *region, "--server", socket).returncode == 0
    expected = lcodec.decode(coded.read_bytes(), region=(3, 5, 40, 50))
    assert np.abs(read_picture(picture.read_bytes()).pixels.astype(int) - expected).max() <= 1
    cut = tmp_path / "cut.lcc"
    cut.write_bytes(coded.read_bytes()[:-200])
    done = run_cli("decode", cut, "-o", tmp_path / "d.png", "--partial", "--server", socket)
    assert done.returncode == 0 and b"lcodec: note: drawn from" in done.stderr
    size = run_cli("encode", SOURCE, "-o", tmp_path / "e.lcc", "-m", "tiny", "--size", "4kB", "--server", socket)
    assert size.returncode == 0 and (tmp_path / "e.lcc").stat().st_size <= 4000


def test_the_client_loads_neither_torch_nor_numpy(socket, tmp_path):
    out = tmp_path / "a.lcc"
    code = (
        "import sys; from lcodec.codec.cli import main; "
        f"main(['encode', {str(SOURCE)!r}, '-o', {str(out)!r}, '-m', 'tiny', '--server', {str(socket)!r}]); "
        "print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    )
    assert run_python("-c", code).stdout.decode().strip() == "set()"
    assert lcodec.decode(out.read_bytes()).shape == read_picture(SOURCE.read_bytes()).pixels.shape


def test_many_at_a_time_get_what_one_gets(socket):
    data = SOURCE.read_bytes()
    alone = [encode_by(str(socket), EncodeJob(quality), "tiny", data).data for quality in (10, 50, 90)]
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda n: encode_by(str(socket), EncodeJob((10, 50, 90)[n % 3]), "tiny", data).data, range(12))
    assert list(found) == alone * 4


def test_what_is_wrong_is_one_line(socket, tmp_path):
    bad, large = tmp_path / "bad.lcc", tmp_path / "large.lcc"
    bad.write_bytes(b"LCDC" + bytes(50))
    done = run_cli("decode", bad, "-o", tmp_path / "a.png", "--server", socket)
    assert_one_line_error(done)
    assert_one_line_error(run_cli("encode", bad, "-o", tmp_path / "a.lcc", "--server", socket))
    large.write_bytes(lcodec.encode(np.zeros((500, 600, 3), np.uint8), 5, "tiny"))
    done = run_cli("decode", large, "-o", tmp_path / "a.png", "--server", socket)
    assert_one_line_error(done)
    assert b"300000" in done.stderr or b"pixels" in done.stderr
    assert_one_line_error(run_cli("encode", SOURCE, "-o", tmp_path / "a.lcc", "-m", "none", "--server", socket))
    assert_one_line_error(run_cli("encode", SOURCE, "-o", tmp_path / "a.lcc", "--server", tmp_path / "nothing"))
    assert not (tmp_path / "a.lcc").exists() and not (tmp_path / "a.png").exists()


def test_what_is_no_request_is_refused(socket):
    data = SOURCE.read_bytes()
    for status, method, address, body, headers in (
        (404, "POST", "/other", data, {}),
        (400, "POST", "/encode?quality=50&colour=red", data, {}),
        (400, "POST", "/encode?quality=fifty", data, {}),
        (400, "PUT", "/decode?suffix=.exe", data, {}),
        (400, "PUT", "/encode?strip=yes", data, {}),
        (411, "POST", "/encode", None, {"Transfer-Encoding": "chunked"}),
        (413, "POST", "/encode", b"", {"Content-Length": str(2**40)}),
        (200, "PUT", "/encode?model=tiny&quality=50", data, {}),
        (200, "GET", "/", None, {}),
    ):
        found, answer = asked(socket, method, address, body, headers)
        assert found == status, (address, answer)
        assert status == 200 or answer.count(b"\n") == 1
    half = HTTPConnection("lcodec")
    half.sock = _connected(socket)
    half.putrequest("POST", "/encode")
    half.putheader("Content-Length", "1000")
    half.endheaders(b"half")
    half.close()
    assert asked(socket, "GET", "/")[0] == 200


def _connected(path):
    connection = _Connection(str(path))
    connection.connect()
    return connection.sock


def test_curl_can_ask(socket, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    out = tmp_path / "a.lcc"
    address = "http://lcodec/encode?model=tiny&quality=30"
    subprocess.run(["curl", "-sf", "--unix-socket", socket, "-T", SOURCE, address, "-o", out], check=True)
    assert out.read_bytes() == lcodec.encode(read_picture(SOURCE.read_bytes()), 30, "tiny")


def test_sockets_are_private_and_not_taken_from_another(socket, tmp_path):
    assert stat.S_IMODE(os.stat(socket).st_mode) == 0o600
    done = run_cli("serve", socket, "-m", "tiny")
    assert_one_line_error(done)
    assert b"listens at" in done.stderr
    file = tmp_path / "file"
    file.write_text("mine")
    assert_one_line_error(run_cli("serve", file, "-m", "tiny"))
    assert file.read_text() == "mine"
    assert_one_line_error(run_cli("serve", tmp_path / ("long" * 40), "-m", "tiny"))


def test_a_killed_server_leaves_a_socket_that_the_next_one_takes(tmp_path):
    path = tmp_path / "s"
    with started(path) as process:
        process.kill()
    assert path.is_socket()
    with started(path) as process:
        assert asked(path, "GET", "/")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == b"lcodec: interrupted\n"
    assert process.returncode == 130 and not path.exists()


@pytest.mark.parametrize(
    "job",
    [
        EncodeJob(),
        EncodeJob(quality=12.5, effort=3, tile=512, comment="a&b=c ü", strip=True),
        EncodeJob(quality="lossless"),
        EncodeJob(target=Target(size=12345)),
        EncodeJob(target=Target(ssim=0.97)),
    ],
)
def test_queries_say_what_jobs_are(job):
    assert encode_job(encode_query(job, "high")) == (job, "high")
    decode = DecodeJob(".webp", (1, 2, 3, 4), partial=True, max_pixels=1000)
    assert decode_job(decode_query(decode), 2000) == decode
    assert decode_job(decode_query(decode), 500).max_pixels == 500
    with pytest.raises(ValueError, match="not both"):
        encode_job("quality=5&bpp=1")
