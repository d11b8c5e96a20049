"""Import rules (DESIGN.md): the contracts of import-linter, libraries that one place may import, a light import."""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("reenact", "train", "studies", "benchmarks", "examples")

ALLOWED_PLACES = {
    "gradio": ("reenact/space/", "app.py"),
    "accelerate": ("train/",),
    "tyro": ("reenact/cli/", "train/", "studies/", "benchmarks/", "examples/"),
    "av": ("reenact/media/", "benchmarks/hostile_files.py"),  # which writes formats that the package only reads
}
"""Libraries, and the only places that may import them."""


def _python_files() -> list[pathlib.Path]:
    files = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")]
    return sorted([*files, *REPOSITORY.glob("*.py")])


def _imported(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _forbidden_imports(library: str, allowed: tuple[str, ...]) -> list[str]:
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


@pytest.mark.parametrize("library", ALLOWED_PLACES)
def test_library_is_imported_only_where_allowed(library: str) -> None:
    assert _forbidden_imports(library, ALLOWED_PLACES[library]) == []


def test_check_finds_a_forbidden_import() -> None:
    assert "reenact/types.py" in _forbidden_imports("torch", ("train/",))


def test_import_reenact_stays_light() -> None:
    """``import reenact`` loads no page, training or optional library."""
    heavy = ["gradio", "accelerate", "torchvision", "mediapipe", "face_alignment", "spandrel", "onnxruntime", "skimage"]
    code = f"import sys, reenact; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
