"""Who may import what (DESIGN.md): by import-linter's contracts, by reading the files, and by looking at a process."""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("reenact", "train", "studies", "benchmarks", "examples")

ONLY_THERE = {
    "gradio": ("reenact/space/", "app.py"),
    "accelerate": ("train/",),
    "tyro": ("reenact/cli/", "train/", "studies/", "benchmarks/", "examples/"),
    "av": ("reenact/media/",),
}
"""Libraries that one place knows, and nobody else."""


def _python_files() -> list[pathlib.Path]:
    files = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")]
    return sorted([*files, *REPOSITORY.glob("*.py")])


def _imported(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _trespassers(library: str, allowed: tuple[str, ...]) -> list[str]:
    found = []
    for path in _python_files():
        name = path.relative_to(REPOSITORY).as_posix()
        imports = {module.partition(".")[0] for module in _imported(path)}
        if library in imports and not name.startswith(allowed):
            found.append(name)
    return found


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", ONLY_THERE)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    assert _trespassers(library, ONLY_THERE[library]) == []


def test_reading_imports_finds_a_trespasser() -> None:
    assert "reenact/types.py" in _trespassers("torch", ("train/",))


def test_import_reenact_stays_light() -> None:
    """No page, no training, no optional library is loaded by ``import reenact``."""
    heavy = ["gradio", "accelerate", "torchvision", "mediapipe", "face_alignment", "spandrel", "onnxruntime", "skimage"]
    code = f"import sys, reenact; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
