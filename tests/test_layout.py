"""The tree is what the packaging and the design say it is."""

import ast
import tomllib
from shutil import which

import pytest
from checks import ROOT, run_python

import lcodec

# folder -> folders of ours that it may import
ALLOWED = {
    "formats": set(),
    "kernels": set(),
    "datasets": set(),
    "entropy": {"kernels"},
    "codec": {"entropy", "kernels", "formats", "datasets"},
}
MODULES = [path for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    """Top-level folders of ours that a module imports, and whether it names the package absolutely."""
    folders, absolute = set(), False
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
            folders.add(node.module.split(".")[0])
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        absolute |= any(name.split(".")[0] == "lcodec" for name in names)
    return folders, absolute


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way_and_are_relative(path):
    folders, absolute = imported(path)
    here = path.relative_to(ROOT).parts[0]
    assert not absolute
    assert folders - {here} <= ALLOWED[here]


def test_packages_lists_the_tree():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"lcodec"}
    for folder in ALLOWED:
        found |= {".".join(("lcodec", *p.parent.relative_to(ROOT).parts)) for p in (ROOT / folder).rglob("*.py")}
    assert sorted(found) == sorted(listed)


def test_what_the_extension_is_made_of_is_listed():
    (listed,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "kernels" / "native").iterdir()}
    assert found == {*listed["sources"], *listed["depends"]}


@pytest.mark.skipif(which("cc") is None, reason="no compiler")
def test_kernels_in_c_are_compiled_where_there_is_a_compiler():
    assert run_python("-c", "from lcodec.kernels import _native; print(_native.SETS[0])").stdout.strip() == b"plain"


def test_version_is_stated_once_and_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == lcodec.__version__
    assert f"## {lcodec.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("module", ["lcodec", "lcodec.formats.container", "lcodec.codec.registry", "lcodec.datasets"])
def test_light_imports_load_no_heavy_library(module):
    code = f"import sys, {module}; print({{'torch', 'numpy', 'PIL', 'scipy'}} & set(sys.modules))"
    assert run_python("-c", code).stdout.decode().strip() == "set()"


def test_info_needs_no_torch():
    golden = ROOT / "tests" / "golden" / "v1" / "odd-q75.lcc"
    code = f"import sys, lcodec; lcodec.info(open({str(golden)!r}, 'rb').read()); print('torch' in sys.modules)"
    assert run_python("-c", code).stdout.decode().strip() == "False"


def test_every_public_name_exists():
    for name in lcodec.__all__:
        assert getattr(lcodec, name) is not None


def test_the_trainer_needs_no_range_coder_and_no_plotting():
    """It may run on a machine that has torch, numpy, pillow and safetensors only."""
    code = "import sys, lcodec.codec.training.run; print({'constriction', 'scipy', 'matplotlib'} & set(sys.modules))"
    assert run_python("-c", code).stdout.decode().strip() == "set()"
