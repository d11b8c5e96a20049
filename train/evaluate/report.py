"""The result of an evaluation, with everything needed to repeat it."""

import csv
import dataclasses
import os
import pathlib
import platform
import subprocess
from collections.abc import Sequence
from typing import Any

import torch

from train.data.faces import FaceData
from train.evaluate.catalogue import METRICS, READINGS
from train.evaluate.cost import Cost
from train.evaluate.jobs import REAL, Outcome
from train.evaluate.pairs import PairSet
from train.evaluate.settings import Settings
from train.evaluate.summary import Gain, Row
from train.run.provenance import library_versions

FORMAT_VERSION = 1
KIND = "reenact-evaluation"

_LIBRARIES = ("torch", "numpy", "torchmetrics", "onnxruntime", "lpips", "torch-fidelity", "torchvision")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The result of `evaluate`."""

    settings: Settings
    pairs: PairSet
    pairs_sha256: str
    rows: tuple[Row, ...]
    """Best mean rank first within a mode; the real frames last."""
    gains: tuple[Gain, ...]
    costs: dict[str, Cost]
    """By label."""
    facts: dict[str, dict[str, Any]]
    """By label: kind, system, checkpoint and sha256 of its weights."""
    networks: dict[str, dict[str, str]]
    left_out: dict[str, str]
    """`Metric.key` -> reason."""
    lost: int
    """Number of pairs, runs and triplets left out because an input shows no face."""
    checks: dict[str, dict[str, float]]
    """By label; {} without ``--checks``."""
    made: dict[str, Any]
    """Commit, machine, versions."""

    def row(self, label: str, mode: str = "absolute") -> Row:
        """Row of a method.

        Raises:
            KeyError: there is no such row.
        """
        for row in self.rows:
            if (row.label, row.mode) == (label, mode):
                return row
        raise KeyError(f"{label} ({mode})")

    def to_json(self) -> dict[str, Any]:
        """The report as plain types, without the values of single pictures."""
        settings = {
            name: value.name if isinstance(value, pathlib.PurePath) else value
            for name, value in dataclasses.asdict(self.settings).items()
        }
        # local paths are private; the sha256 identifies the files
        del settings["out"], settings["cache"], settings["overwrite"]
        settings["data"] = self.settings.data.rstrip("/").rpartition("/")[2]
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "protocol": self.settings.protocol,
            "made": self.made,
            "settings": settings,
            "pairs": {
                "file": "pairs.json",
                "sha256": self.pairs_sha256,
                "pairs": len(self.pairs.pairs),
                "runs": len(self.pairs.runs),
                "triplets": len(self.pairs.triplets),
                "lost": self.lost,
                "found": self.pairs.found,
                "note": self.pairs.note,
            },
            "networks": self.networks,
            "metrics": {metric.key: dataclasses.asdict(metric) for metric in METRICS},
            "left_out": self.left_out,
            "rows": [
                dataclasses.asdict(row)
                | self.facts.get(row.label, {"kind": "reference"})
                | ({"cost": dataclasses.asdict(self.costs[row.label])} if row.label in self.costs else {})
                for row in self.rows
            ],
            "gains": [dataclasses.asdict(gain) for gain in self.gains],
            "checks": self.checks,
        }


def save_values(outcomes: Sequence[Outcome], data: FaceData, path: pathlib.Path) -> None:
    """Write every measured value of every picture."""
    keys = [*(metric.key for metric in METRICS), *READINGS]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["method", "mode", "kind", "source", "driving", "driver", "yaw_deg", *keys])
        table.writeheader()
        for each in outcomes:
            if each.method == REAL and not each.values:
                continue
            table.writerow(
                {
                    "method": each.method,
                    "mode": each.mode,
                    "kind": each.kind,
                    "source": data.names[each.source],
                    "driving": data.names[each.driving],
                    "driver": int(data.person[each.driving]),
                    "yaw_deg": round(float(data.yaw_deg[each.driving]), 2),
                }
                | {key: format(value, ".6g") for key, value in each.values.items()}
            )


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Commit, hardware and versions, on which figures may depend."""
    root = pathlib.Path(__file__).resolve().parents[2]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip() or "unknown",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": library_versions(_LIBRARIES),
    }


def processor_name() -> str:
    """The CPU's model name on Linux, else what the system reports."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
