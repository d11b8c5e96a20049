"""Model cards: from config.json, and what becomes of them on the Hub."""

import pathlib

import huggingface_hub
import pytest

from reenact.errors import CheckpointError, OutputError
from reenact.hub import card as subject
from reenact.hub import figures
from reenact.hub.card import card_text, write_card
from tests.hub_client import write_part

VALIDATION = {"psnr": 25.09, "psnr_copy": 22.65, "l1_mesh_warp": 0.04, "pictures": 358.0, "warmth": 0.5}
CONFIG = {
    "format_version": 1,
    "model": "correspondence",
    "network": {"widths": [8]},
    "training": {
        "command": "-m train correspondence --data /home/somebody/faces --out ~/runs/mine --data-url https://a.b/c/d",
        "steps": 4000,
        "hardware": "x86_64 CPU | 1 thread",
        "validation": VALIDATION,
    },
}


def test_a_card_says_what_the_run_knew() -> None:
    text = card_text(CONFIG, parameters=3_800_000, size_bytes=7_600_000)
    assert "3.8 M parameters, safetensors of 7.60 MB" in text
    assert "| PSNR, dB | 25.09 |" in text
    assert "| PSNR, dB, of a copy of the source | 22.65 |" in text
    assert "| L1, of the mesh warp | 0.04 |" in text
    assert "| warmth | 0.5 |" in text
    assert "| steps | 4000 |" in text
    assert "| hardware | x86_64 CPU / 1 thread |" in text
    data = huggingface_hub.ModelCard(text).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "reenact", "image-to-video")


def test_where_somebodys_files_lie_is_not_told() -> None:
    text = card_text(CONFIG, parameters=1, size_bytes=1)
    assert "-m train correspondence --data faces --out mine --data-url https://a.b/c/d" in text
    assert "somebody" not in text


@pytest.mark.parametrize("facts", [None, {}, {"validation": {}}, {"validation": {"psnr": float("nan"), "done": True}}])
def test_little_known_is_said_plainly(facts: object) -> None:
    text = card_text({"model": "something_else", "training": facts}, parameters=10, size_bytes=100)
    assert "# Something else" in text
    assert "Nothing was measured" in text
    assert subject.PLACEHOLDER not in text
    assert "nan" not in text.replace("measured", "").lower().split("## figures")[1]


def test_results_are_the_models_own() -> None:
    assert figures.own_figures(VALIDATION) == [("psnr", "PSNR, dB", 25.09), ("warmth", "warmth", 0.5)]
    assert figures.own_figures({"teacher_roc_auc": 1.0, "mean_shape_percent": 3.7, "residual_percent": 0.3}) == [
        ("residual_percent", "part of the mesh left unexplained, % of the eye distance", 0.3)
    ]


def test_what_the_author_wrote_is_kept(tmp_path: pathlib.Path) -> None:
    front = "license: mit\npipeline_tag: image-to-image\ntags: [mine]\nlanguage: en\nmetrics: [old]\n"
    (tmp_path / "README.md").write_text(f"---\n{front}---\n\n# Mine\n\nBy hand.\n")
    text = subject.complete_card(subject.read_card(tmp_path), CONFIG, "me/mine")
    data = huggingface_hub.ModelCard(text).data.to_dict()
    assert (data["license"], data["pipeline_tag"], data["tags"], data["language"]) == (
        "mit",
        "image-to-image",
        ["mine"],
        "en",
    )
    assert data["metrics"] == ["psnr", "warmth"]
    assert data["model-index"][0]["results"][0]["dataset"]["type"] == "face-crops"
    assert text.index("By hand.") < text.index("## Load it")


def test_a_card_that_names_its_repository_gets_no_second_section(tmp_path: pathlib.Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n\nUse it with `--checkpoint me/mine`.\n")
    text = subject.complete_card(subject.read_card(tmp_path), {"model": "correspondence"}, "me/mine")
    assert "## Load it" not in text
    assert "model-index" not in text


def test_writing_keeps_what_was_written_by_hand(tmp_path: pathlib.Path) -> None:
    folder = write_part(tmp_path / "part", model="tracker")
    (folder / "README.md").unlink()
    path = write_card(folder, licence="cc-by-4.0")
    assert "license: cc-by-4.0" in path.read_text()
    write_card(folder)
    assert "license: apache-2.0" in path.read_text()
    completed = subject.complete_card(subject.read_card(folder), {"model": "tracker"}, "me/t")
    assert subject.MARK not in completed
    assert 'load_tracker(checkpoint="me/t")' in completed
    path.write_text(path.read_text().replace(subject.MARK, "I did."))
    with pytest.raises(OutputError, match="was written by hand; allow overwriting to replace it"):
        write_card(folder)
    write_card(folder, overwrite=True)
    assert "I did." not in path.read_text()
    with pytest.raises(CheckpointError, match="No checkpoint folder"):
        write_card(tmp_path / "nowhere")
