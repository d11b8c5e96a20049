"""The wheel in a fresh environment, outside the clone."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from reenact.media import read_image

pytest.importorskip("setuptools", minversion="77", reason="setuptools 77 or newer, which builds the wheel, is missing")

pytestmark = pytest.mark.processes

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("reenact", "checkpoints", "train", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE.md")
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def run(*words: str | pathlib.Path, cwd: pathlib.Path) -> str:
    done = subprocess.run(words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Built from a copy, since the build leaves files beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", ".", cwd=folder)
    [found] = (folder / "dist").glob("reenact-*.whl")
    return found


@pytest.fixture(scope="module")
def scripts(wheel: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Folder of the programs of a new environment with the wheel; its dependencies are those of this one."""
    root = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", root, cwd=root)
    paths = {
        name: pathlib.Path(sysconfig.get_path(name, "venv", {"base": str(root)})) for name in ("scripts", "purelib")
    }
    python = paths["scripts"] / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=root)
    (paths["purelib"] / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return paths["scripts"]


def test_the_wheel_holds_the_package_and_its_weights_alone(wheel: pathlib.Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"reenact"}
    for path in (REPOSITORY / "checkpoints").rglob("model.safetensors"):
        assert f"reenact/{path.relative_to(REPOSITORY).as_posix()}" in names


@pytest.mark.usefixtures("weights")
def test_it_reenacts_outside_the_clone(scripts: pathlib.Path, material: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run(scripts / "reenact", "image", material / "source.png", material / "driving.png", "-o", "out.png", cwd=tmp_path)
    assert read_image(tmp_path / "out.png").rgb.shape == read_image(material / "source.png").rgb.shape
    module = (scripts / "python", "-m", "reenact")
    run(*module, "video", material / "source.png", material / "driving.mp4", "-o", "out.mp4", cwd=tmp_path)
    assert (tmp_path / "out.mp4").stat().st_size > 0
    where = run(scripts / "python", "-c", "import reenact; print(reenact.__file__)", cwd=tmp_path)
    assert pathlib.Path(where.strip()).is_relative_to(scripts.parent)
