"""Rules for the tracked files: size, names, places, documentation and dependencies."""

import ast
import pathlib
import re
import subprocess
import tomllib

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

MAX_TOTAL_BYTES = 40 * 1024 * 1024
"""All tracked files together. Keeps clones and uploads small."""
MAX_LINES = 500
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".heic", ".tif", ".tiff"}
CLIPS = {".mp4", ".webm", ".mov", ".avi", ".mkv"}
PICTURE_FOLDERS = ("examples/", "docs/", "tests/golden/", "reenact/space/")
PICKLES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib"}


def _tracked() -> list[pathlib.PurePosixPath]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [pathlib.PurePosixPath(name) for name in listed.stdout.split("\0") if (REPOSITORY / name).is_file()]


def _code() -> list[pathlib.PurePosixPath]:
    return [path for path in _tracked() if path.suffix == ".py"]


def test_tracked_files_stay_small() -> None:
    sizes = {path: (REPOSITORY / path).stat().st_size for path in _tracked()}
    largest = sorted(sizes, key=sizes.__getitem__)[-5:]
    assert sum(sizes.values()) < MAX_TOTAL_BYTES, f"largest: {[(str(path), sizes[path]) for path in largest]}"


def test_no_file_is_too_long() -> None:
    lines = {str(path): len((REPOSITORY / path).read_text(encoding="utf-8").splitlines()) for path in _code()}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_files_are_named_after_their_subject() -> None:
    assert [str(path) for path in _tracked() if {part.partition(".")[0] for part in path.parts} & FORBIDDEN_NAMES] == []


def test_pictures_and_clips_are_only_in_allowed_folders() -> None:
    found = [str(path) for path in _tracked() if path.suffix.lower() in PICTURES | CLIPS]
    assert [name for name in found if not name.startswith(PICTURE_FOLDERS)] == []


def test_weights_are_safetensors() -> None:
    assert [str(path) for path in _tracked() if path.suffix.lower() in PICKLES] == []


def test_every_checkpoint_has_a_config_and_a_card() -> None:
    folders = [path.parent for path in _tracked() if path.name == "model.safetensors"]
    missing = [
        str(folder / name)
        for folder in folders
        for name in ("config.json", "README.md")
        if not (REPOSITORY / folder / name).is_file()
    ]
    assert missing == []


def test_no_open_task_markers() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [str(path) for path in _code() if mark.search((REPOSITORY / path).read_text(encoding="utf-8"))] == []


def test_public_names_are_documented() -> None:
    """Modules, classes and functions have docstrings. Methods may rely on their class or its base."""
    missing = []
    for path in _code():
        if path.parts[0] not in ("reenact", "train", "studies", "benchmarks") and path.name != "app.py":
            continue
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree):
            missing.append(str(path))
        for node in tree.body:
            documented = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if documented and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{path}: {node.name}")
    assert missing == []


def test_requirements_are_the_project_dependencies() -> None:
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [line for line in lines if line and not line.startswith("#")] == project["dependencies"]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    install, test = 'pip install -e ".[dev,train]"', "pytest"
    assert f"{install} && {test}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert f"\n{install}\n" in script.replace("pip install -q ", "pip install ")
    for half in ('"${second[@]}"', '"${second[@]/#/--ignore=}"', '-m "processes or browser"'):
        assert f"{test} {half} || status=$?\n" in script


def test_every_row_of_a_table_is_in_one() -> None:
    """A row after an empty line is raw text, unless the line below it makes it a header."""
    stray = re.compile(r"\n\n(\|.*)\n(?!\|[ :|-]+\|\n)")
    texts = {str(path): (REPOSITORY / path).read_text(encoding="utf-8") for path in _tracked() if path.suffix == ".md"}
    assert {path: rows for path, text in texts.items() if (rows := stray.findall(text))} == {}
