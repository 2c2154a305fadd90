import pytest

from lcodec.datasets.licences import is_permissive, stated_licences


@pytest.mark.parametrize(
    "licence",
    [
        "Apache-2.0 (repo LICENSE)",
        "BSD-2-Clause (repo LICENSE)",
        "BSD-3-Clause (repo LICENSE)",
        "CC-BY / public domain per file (attribution.md)",
        "CC-BY-4.0 (repo LICENSE)",
        "CC-BY-4.0 (repo debian/copyright)",
        "CC0 (repo LICENSE)",
        "MIT (repo LICENSE)",
        "MIT (repo LICENSE); photographs not licensed separately",
        "Unsplash licence (repo debian/copyright)",
        "repo README: Pexels photos under CC0",
        "repo README: Unsplash photos, public domain",
    ],
)
def test_permissive(licence):
    assert is_permissive(licence)
    assert is_permissive(licence.upper())


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "Apache-2.0 (repo LICENSE); DAVIS sequence with its own terms",
        "CC-BY / CC-BY-SA per file (leap15/license notes)",
        "CC-BY-4.0 / CC-BY-SA-4.0 (backgrounds/LICENSE_*)",
        "CC-BY-NC-4.0 (repo LICENSE)",
        "CC-BY-NC-SA-4.0 (repo README)",
        "CC-BY-ND-4.0",
        "CC-BY-SA-4.0 (CID22, Cloudinary)",
        "CC-BY-SA-4.0 / CC0 / CC-BY-SA-3.0 / GPL-3+ per file (repo debian/copyright)",
        "GPL-2+ (COPYING) and CC-BY-4.0 (COPYING.CCBY4.0)",
        "GPL-3.0 (repo LICENSE)",
        "LGPL-2.1 and MIT",
        "NVIDIA licence, research use only (repo LICENSE)",
        "S-Lab License 1.0, non-commercial (repo LICENSE); file names say Pexels",
        "free for noncommercial use, MIT otherwise",
        "per-image list in debian/copyright on the repo's deb-packaging branch",
        "repo LICENSE Apache-2.0; picture is from KITTI 2015, which has its own terms (non-commercial)",
        "repo LICENSE Apache-2.0; tourist photos, their own terms unstated",
        "submitted with permission",  # neither is MIT
        "unstated",
        "unstated for the pictures (BSDS500 research set)",
        "unstated for the pictures (Middlebury 2014 stereo set; repo code BSD-3-Clause)",
    ],
)
def test_not_permissive(licence):
    assert not is_permissive(licence)


def test_stated_licences(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    assert stated_licences(folder) == {}
    (tmp_path / "MANIFEST.csv").write_text('path,sha256,licence\ntrain/a.png,aa,"MIT, they say"\ntrain/b.png,bb\n')
    assert stated_licences(folder) == {"aa": "MIT, they say", "bb": ""}
    (folder / "MANIFEST.csv").write_text("sha256,licence\naa,CC0\n")
    assert stated_licences(folder) == {"aa": "CC0"}


@pytest.mark.parametrize("content", [b"path,licence\na,MIT\n", b"sha256,path\na,b\n", b"sha256,licence\n\xff,\n"])
def test_broken_table_is_refused(content, tmp_path):
    (tmp_path / "MANIFEST.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"MANIFEST\.csv is not a table with the columns sha256 and licence"):
        stated_licences(tmp_path)
