"""The ready configurations of ``accelerate launch``, read as the launcher reads them."""

import pathlib
from typing import Any

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env, prepare_simple_launcher_cmd_env

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
CONFIGS = REPOSITORY / "train" / "configs"


def read(name: str, *more: str) -> Any:
    """The launcher's settings with this configuration."""
    words = ["--config_file", str(CONFIGS / name), *more, "-m", "train", "correspondence", "--out", "runs/x"]
    return _validate_launch_command(launch_command_parser().parse_args(words))[0]


def test_all_configurations_are_tested() -> None:
    names = {path.name for path in CONFIGS.iterdir()}
    assert names == {"cpu.yaml", "two-cpus.yaml", "one-gpu.yaml", "eight-gpus.yaml", "fsdp2.yaml", "two-nodes.yaml"}


@pytest.mark.parametrize(("name", "cpu"), [("cpu.yaml", "True"), ("one-gpu.yaml", "False")])
def test_one_process(name: str, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = read(name)
    assert not settings.multi_gpu
    assert settings.num_processes == 1
    command, environment = prepare_simple_launcher_cmd_env(settings)
    assert command[1:] == ["-m", "train", "correspondence", "--out", "runs/x"]
    assert environment["ACCELERATE_USE_CPU"] == cpu


@pytest.mark.parametrize(("name", "processes"), [("two-cpus.yaml", 2), ("eight-gpus.yaml", 8)])
def test_several_processes_of_one_machine(name: str, processes: int) -> None:
    settings = read(name)
    assert settings.multi_gpu
    assert (settings.num_processes, settings.num_machines) == (processes, 1)
    prepare_multi_gpu_env(settings)
    assert settings.nproc_per_node == str(processes)


def test_two_machines() -> None:
    settings = read("two-nodes.yaml", "--machine_rank", "1", "--main_process_ip", "10.0.0.5")
    assert settings.multi_gpu
    prepare_multi_gpu_env(settings)
    assert (settings.nnodes, settings.nproc_per_node, settings.node_rank) == ("2", "8", 1)
    assert settings.rdzv_endpoint == "10.0.0.5:29500"


def test_fsdp2(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read("fsdp2.yaml", "--num_processes", "4")
    assert settings.use_fsdp
    environment = prepare_multi_gpu_env(settings)
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    for name, value in environment.items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.auto_wrap_policy is None
    assert not plugin.cpu_ram_efficient_loading
