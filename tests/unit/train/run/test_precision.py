"""Which precision a run takes on which hardware."""

import json
import pathlib

import pytest
import torch

from reenact.errors import ConfigError
from tests.toy_training import CONFIG, ToyTask
from train.losses.perceptual import perceptual_loss
from train.run.loop import LoopConfig, run
from train.run.precision import choose_precision, computes_in_bf16, describe_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def set_hardware(monkeypatch: pytest.MonkeyPatch, *, machine: str = "x86_64", **has: bool) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has.get("avx512_bf16", False))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has.get("amx", False))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: has.get("mkldnn", True))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has.get("gpu", False))


@pytest.mark.parametrize(
    ("has", "device", "chosen"),
    [
        ({}, CPU, "no"),
        ({"avx512_bf16": True}, CPU, "bf16"),
        ({"amx": True}, CPU, "bf16"),
        ({"amx": True, "mkldnn": False}, CPU, "no"),
        ({"gpu": True}, GPU, "bf16"),
        ({}, GPU, "fp16"),
    ],
)
def test_auto_takes_bf16_only_where_the_hardware_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], device: torch.device, chosen: str
) -> None:
    set_hardware(monkeypatch, **has)
    assert choose_precision("auto", device) == chosen
    assert choose_precision("bf16", device) == "bf16"
    assert choose_precision("no", device) == "no"


def test_fp16_is_refused_on_a_cpu() -> None:
    for choose in (choose_precision, describe_precision):
        with pytest.raises(ConfigError, match="fp16 needs a GPU; take --mixed-precision auto or no"):
            choose("fp16", CPU)
    assert choose_precision("fp16", GPU) == "fp16"


def test_processors_other_than_x86_are_asked_through_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hardware(monkeypatch, machine="aarch64", avx512_bf16=True)
    assert computes_in_bf16(CPU) == torch.ops.mkldnn._is_mkldnn_bf16_supported()


def test_the_default_is_auto_and_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LoopConfig(steps=1, batch_size=1).mixed_precision == "auto"
    set_hardware(monkeypatch, amx=True)
    assert describe_precision("auto", CPU) == "bf16 (auto: this CPU has bf16 units)"
    assert describe_precision("auto", GPU) == "fp16 (auto: this GPU has no bf16 units)"
    assert describe_precision("no", CPU) == "fp32 (as asked)"


@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize(("units", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_a_run_computes_in_the_precision_that_it_names(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    units: bool,
    dtype: torch.dtype,
) -> None:
    set_hardware(monkeypatch, avx512_bf16=units)
    seen: set[torch.dtype] = set()
    task = ToyTask()
    task.networks[0].register_forward_hook(lambda *found: seen.add(found[2].dtype))
    run(task, LoopConfig(steps=1, batch_size=CONFIG.batch_size), tmp_path, command="toy", track=["none"])
    assert seen == {dtype}
    words = describe_precision("auto", CPU)
    assert f"precision: {words}" in capsys.readouterr().out
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["starts"][0]["precision"] == words
    assert record["settings"]["mixed_precision"] == "auto"


@pytest.mark.parametrize(("units", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_the_perceptual_loss_too(monkeypatch: pytest.MonkeyPatch, units: bool, dtype: torch.dtype) -> None:
    set_hardware(monkeypatch, avx512_bf16=units)
    seen: list[torch.dtype] = []

    class Features(torch.nn.Conv2d):
        weights = (1.0,)

        def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
            found = super().forward(picture)
            seen.append(found.dtype)
            return (found,)

    loss = perceptual_loss(Features(3, 2, 1), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))  # type: ignore[arg-type]
    assert seen == [dtype, dtype]
    assert loss.dtype == torch.float32
