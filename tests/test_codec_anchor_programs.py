"""Anchor codecs that are programs, run as their manuals say, by stand-ins; the real ones are tested where they are."""

import os
import stat
import sys

import pytest

from lcodec.codec.evaluation.anchor_codecs import by_name, tool
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.formats.errors import FormatError, UnsupportedError

PROGRAMS = {
    "avifenc-s6-10bit": "avifdec",
    "aomenc-cpu0-444-10bit": "aomdec",
    "mozjpeg-420": "cjpeg",
    "vvenc-medium-420": "vvencapp",
    "vtm-444": "EncoderApp or EncoderAppStatic",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_absent_programs_are_named(name, monkeypatch, tmp_path, cut):
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = by_name(name).absence()
    assert reason.startswith(f"{name} is absent: {PROGRAMS[name]} is not on PATH: ") and "\n" not in reason
    with pytest.raises(ImportError, match="is not on PATH"):
        by_name(name).encode(cut, 30)


# A stand-in knows the options of the program's manual, refuses all others, and codes by copying.
STAND_IN = """#!{python}
import re, sys
arguments = sys.argv[1:]
if arguments == [{version!r}]:
    print({says!r})
    sys.exit()
given = {{}}
while arguments:
    option = arguments.pop(0)
    if "=" in option and option.startswith("--"):
        option, value = option.split("=", 1)
    elif option in {flags!r}:
        value = ""
    elif option.startswith("-"):
        value = arguments.pop(0)
    else:
        option, value = "input", option
    if not re.fullmatch({options!r}[option], value):
        sys.exit("bad value " + value + " of " + option)
    given[option] = value
if set(given) != set({options!r}):
    sys.exit("missing " + " ".join(set({options!r}) - set(given)))
source = open(given[{source!r}], "rb").read()
if source[:4] == b"fail":
    sys.exit("damaged stream")
{act}
"""
COPY = "open(given[{target!r}], 'wb').write(source)"
JPEG = """
from PIL import Image
Image.open(given["input"]).save(given["-outfile"], "JPEG", quality=int(given["-quality"]))
"""


def stand_in(folder, name, options, source, act, version="--version", says="", flags=()):
    path = folder / name
    text = STAND_IN.format(
        python=sys.executable, version=version, says=says, flags=flags, options=options, source=source, act=act
    )
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for cjpeg, VVenC, VVdeC and VTM on PATH."""
    bin_folder = tmp_path / "vtm" / "bin"
    bin_folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    numbers, name = r"\d+", r"/\S+"
    options = {"-quality": numbers, "-sample": "1x1|2x2", "-tune-psnr": "", "-outfile": name, "input": r"\S+\.ppm"}
    says = "mozjpeg version 5.0.0 (build 20260101)"
    stand_in(bin_folder, "cjpeg", options, "input", JPEG, "-version", says, flags=("-tune-psnr",))
    options = {
        **{"--input": name, "--output": name, "--size": "132x98", "--format": "yuv420_10", "--framerate": "1"},
        **{"--frames": "1", "--preset": "medium|slower", "--qp": numbers, "--qpa": "0", "--threads": "1"},
    }
    act = COPY.format(target="--output")
    stand_in(bin_folder, "vvencapp", options, "--input", act, says="vvencapp version 1.14.0 [Linux]")
    options = {"--bitstream": name, "--output": name, "--threads": "1"}
    stand_in(bin_folder, "vvdecapp", options, "--bitstream", act, says="vvdecapp version 3.2.0 [Linux]")
    options = {
        **{"-c": r"\S+/vtm/cfg/encoder_intra_vtm\.cfg", "-i": name, "-b": name, "-o": name, "-wdt": "13[12]"},
        **{"-hgt": "9[78]", "-fr": "1", "-f": "1", "-q": numbers, "--InputChromaFormat": "4[24][04]"},
        **{"--InputBitDepth": "10", "--InternalBitDepth": "10", "--OutputBitDepth": "10"},
        "--ConformanceWindowMode": "1",
    }
    says = "VVCSoftware: VTM Encoder Version 23.4 [Linux]"
    stand_in(bin_folder, "EncoderAppStatic", options, "-i", COPY.format(target="-b"), "--help", says)
    stand_in(bin_folder, "DecoderAppStatic", {"-b": name, "-o": name, "-d": "10"}, "-b", COPY.format(target="-o"))
    return bin_folder


def test_vvc_programs(programs, cut):
    assert by_name("vtm-420").absence() == (
        f"vtm-420 is absent: cfg/encoder_intra_vtm.cfg is in no folder above {programs / 'EncoderAppStatic'}: "
        "keep the program in VTM's tree"
    )
    (programs.parent / "cfg").mkdir()
    (programs.parent / "cfg" / "encoder_intra_vtm.cfg").write_text("")
    for name, version, samples, least_db in (
        ("vvenc-medium-420", "vvencapp version 1.14.0, vvdecapp version 3.2.0", 132 * 98 * 3 // 2, 40),
        ("vvenc-slower-420", "vvencapp version 1.14.0, vvdecapp version 3.2.0", 132 * 98 * 3 // 2, 40),
        ("vtm-420", "VTM Encoder Version 23.4", 132 * 98 * 3 // 2, 40),
        ("vtm-444", "VTM Encoder Version 23.4", 131 * 97 * 3, float("inf")),
    ):
        codec = by_name(name)
        assert codec.version() == version
        data = codec.encode(cut, 32)
        assert len(data) == 2 * samples + 4
        assert psnr_db(cut, codec.decode(data)) >= least_db
        with pytest.raises(FormatError, match=f"{name} can decode: .* failed with exit code 1: damaged stream"):
            codec.decode(b"fail" + data)
        with pytest.raises(FormatError, match=r"samples where \d+ were expected"):
            codec.decode(data[:1000])
        with pytest.raises(UnsupportedError, match=f"{name} cannot code .* exit code 1: bad value -3 of"):
            codec.encode(cut, -3)


@pytest.mark.parametrize(("name", "least_db"), [("mozjpeg-420", 38), ("mozjpeg-444", 38)])
def test_mozjpeg_program(name, least_db, programs, cut):
    codec = by_name(name)
    assert codec.version() == "mozjpeg version 5.0.0"
    assert psnr_db(cut, codec.decode(codec.encode(cut, 90))) > least_db


def test_a_program_of_the_same_name_is_another_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    stand_in(tmp_path, "cjpeg", {}, "", "", version="-version", says="libjpeg-turbo version 3.2.0")
    assert "does not call itself mozjpeg" in by_name("mozjpeg-444").absence()


def test_programs_that_say_nothing_fail_with_a_word(tmp_path):
    path = tmp_path / "silent"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o700)
    with pytest.raises(RuntimeError, match="silent failed with exit code 3: without a word"):
        tool.run_tool(path)
