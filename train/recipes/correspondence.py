"""Recipe: the correspondence system, by self-reenactment of clips (one frame drives another of the same person)."""

import dataclasses
import pathlib
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from reenact.errors import ConfigError
from reenact.geometry.flow import draw_face, mesh_flow
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.mirror import mesh_mirror
from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize, warp
from reenact.systems.correspondence.config import PRESETS, CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, DrawnFace, compose
from train.augment.crops import warp_crop
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.data.resident import ResidentFaces, crop_meshes, shrink_blur_px
from train.losses.reconstruction import (
    coarse_warp_l1,
    gradient_l1,
    half_size_l1,
    multi_scale_l1,
    smoothness,
    warp_l1,
    with_rim,
)
from train.pairs.frames import PairDraws
from train.run.export import start_from, write_model
from train.run.loop import Batch, LoopConfig, Losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrespondenceTaskConfig:
    """Data and losses."""

    side: int = 256
    """Side of the training crops; the networks accept any multiple of 16."""
    same_frame_share: float = 0.08
    """Pairs of a picture with itself, from stills: a face that does not move must stay as it is."""
    detail_weight: float = 10.0
    """Of mouth and eye openings and their rim, over the background."""
    face_weight: float = 1.25
    """Of the face, over the background."""
    adversarial: float = 0.0
    """Weight of the hinge loss; 0 trains without a critic."""
    feature_matching: float = 0.0
    """Weight of the critic's feature distance."""
    resident: bool = False
    """Keep the pictures on the device and cut the crops there: for GPUs, which would wait for the CPU."""


class PairModel(nn.Module):
    """Source encoder and renderer as one forward, so that distributed wrappers see it whole."""

    def __init__(self, config: CorrespondenceConfig) -> None:
        super().__init__()
        self.net = CorrespondenceNetworks(config)

    def forward(self, source: torch.Tensor, source_maps: torch.Tensor, *rest: torch.Tensor) -> DrawnFace:
        return self.net(self.net.encode_source(source, source_maps), source, *rest)


class CorrespondenceTask:
    """Pairs of frames of one clip, driven exactly as at inference.

    Meshes come from the labels and, if `own` is given, for half of the pairs from the project's own tracker.
    """

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: CorrespondenceConfig,
        config: CorrespondenceTaskConfig,
        own: FaceData | None = None,
    ) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.networks = PairModel(network)
        self.critic = None
        self.model = load_morphable()
        self.mirror = mesh_mirror()
        self.use_data(train)
        self.own = own

    def use_data(self, train: FaceData) -> None:
        """Go on with other training data; its meshes are the labels'."""
        if not train.clip_ranges:
            raise ConfigError("recipe correspondence learns from clips and the data has none; add clips to it")
        self.train, self.own = train, None
        self.faces: ResidentFaces | None = None
        # without stills any frame may stand still
        self.still_rows = np.flatnonzero(train.is_still) if train.is_still.any() else np.arange(len(train))
        self.ranges = np.array(train.clip_ranges)
        # long clips and people with many clips count with the square root of what they have
        clip_person = train.person[self.ranges[:, 0]]
        weight = np.sqrt(np.diff(self.ranges, axis=1)[:, 0]) / np.sqrt(np.bincount(clip_person)[clip_person])
        self.clip_cumulative = np.cumsum(weight / weight.sum())

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        draws = self.draw_pairs(rng, size)
        return self.add_maps(self.cut_pairs(draws, device)) | {"rows": torch.from_numpy(draws.rows)}

    def cut_pairs(self, draws: PairDraws, device: torch.device) -> Batch:
        """Crops "source", "target" and their meshes in half-sides, "source_mesh", "target_mesh"."""
        batch: Batch = {}
        for k, name in enumerate(("source", "target")):
            rows = draws.rows[:, k]
            batch[name] = (
                self._resident_crops(rows, draws, device) if self.config.resident else self._crops(rows, draws)
            )
            mesh_px = self.train.mesh_px[rows]
            if self.own is not None:
                mesh_px = np.where(draws.own[:, None, None], self.own.mesh_px[rows], mesh_px)
            mesh = crop_meshes(mesh_px, draws.crop_from_frame, self.config.side, draws.flips, self.mirror)
            batch[f"{name}_mesh"] = torch.from_numpy(mesh)
        return {key: value.to(device) for key, value in batch.items()}

    def draw_pairs(self, rng: np.random.Generator, size: int) -> PairDraws:
        """Rows, crops and light of a batch; the same for both ways of cutting."""
        side = self.config.side
        clips = np.searchsorted(self.clip_cumulative, rng.random(size)).clip(max=len(self.ranges) - 1)
        rows = rng.integers(*self.ranges[clips].T[:, :, None], (size, 2))
        same = rng.random(size) < self.config.same_frame_share
        rows = np.where(same[:, None], rng.choice(self.still_rows, (size, 1)), rows)
        turn = np.radians(rng.normal(0, 4, size))
        zoom = np.exp(rng.normal(0, 0.08, size)) * side / 256
        c, s = zoom * np.cos(turn), zoom * np.sin(turn)
        matrices = np.tile(np.eye(3), (size, 1, 1))
        matrices[:, :2, :2] = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)
        matrices[:, :2, 2] = side / 2 + rng.normal(0, 0.03, (size, 2)) * side - matrices[:, :2, :2] @ [128, 128]
        light = np.exp(rng.normal(0, 0.15, (size, 1, 3))) * np.exp(rng.normal(0, 0.15, (size, 1, 1)))
        gamma = np.exp(rng.normal(0, 0.15, (size, 1, 1)))
        luts = np.clip(255 * (np.arange(256)[:, None] / 255) ** gamma * light, 0, 255).astype(np.uint8)
        flips, own = rng.random((2, size)) < 0.5
        return PairDraws(rows=rows, crop_from_frame=matrices, flips=flips, luts=luts, own=own)

    def _resident_crops(self, rows: np.ndarray, draws: PairDraws, device: torch.device) -> torch.Tensor:
        if self.faces is None:
            self.faces = ResidentFaces(self.train, device)
        return self.faces.crops(rows, draws.crop_from_frame, self.config.side, draws.luts, draws.flips)

    def _crops(self, rows: np.ndarray, draws: PairDraws) -> torch.Tensor:
        """`_resident_crops`, by OpenCV."""
        side, pictures = self.config.side, []
        for i, row in enumerate(rows):
            rgb = self.train.rgb[row]
            if side < 256:
                rgb = cv2.GaussianBlur(rgb, (0, 0), shrink_blur_px(side))
            crop = warp_crop(rgb, draws.crop_from_frame[i], side, cv2.BORDER_REFLECT_101)
            crop = cv2.LUT(crop, draws.luts[i][None])
            pictures.append(np.ascontiguousarray(crop[:, ::-1] if draws.flips[i] else crop))
        return _to_tensor(pictures)

    @torch.no_grad()
    def add_maps(self, batch: Batch) -> Batch:
        """Identity-matched target mesh, mesh flow and maps, as `CorrespondenceReenactor` makes them."""
        half = self.config.side // 2
        model = self.model.to(batch["source"].device)
        target = matched_targets(model, batch["source_mesh"], batch["target_mesh"])
        flow = mesh_flow(model, batch["source_mesh"], target, half)
        batch["source_maps"] = draw_face(model, batch["source_mesh"], half).stacked
        batch["target_maps"] = flow.target.stacked
        batch["mesh_displacement"], batch["visible"] = flow.displacement, flow.visible
        return {
            key: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
            for key, value in batch.items()
        }

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        names = ("source", "source_maps", "source", "target_maps", "mesh_displacement", "visible")
        return tuple(batch[name] for name in names[:2]) + tuple(batch[name] for name in names[3:])

    def compute_losses(self, outputs: DrawnFace, batch: Batch, critic: nn.Module | None) -> Losses:
        target, source = batch["target"], batch["source"]
        difference = compose(outputs, source) - target
        weight = self.weight_map(batch["target_maps"])
        weight_full = functional.interpolate(weight, scale_factor=2, mode="nearest")
        face = batch["target_maps"][:, 3:4] * batch["visible"]
        residual = outputs.displacement - batch["mesh_displacement"]
        small = outputs.matched.shape[-1]
        match_error = (outputs.matched - resize(batch["mesh_displacement"], small)).abs().sum(1, keepdim=True)
        return {
            "l1": 5 * (weight_full * difference.abs()).mean(),
            "scales": 4 * multi_scale_l1(difference),
            "gradient": 2 * (weight_full[..., 1:, 1:] * gradient_l1(difference)).mean(),
            "warped": warp_l1(source, target, outputs.displacement, weight),
            "warped_coarse": 2 * coarse_warp_l1(source, target, outputs.displacement),
            "colour": 1.5 * half_size_l1(outputs.colour, target, weight),
            "prior": 0.5 * (residual.abs().sum(1, keepdim=True) * face).mean(),
            "match": 0.5 * (match_error * resize(face, small)).mean(),
            "smooth": 0.3 * smoothness(residual),
            "matte": 0.02 * (functional.avg_pool2d(outputs.matte[:, 2:], 2) * face).mean(),
        }

    def weight_map(self, target_maps: torch.Tensor) -> torch.Tensor:
        """(f, 1, h, w) with mean 1: openings of mouth and eyes with a rim, then the face, then the rest."""
        near = with_rim(target_maps[:, 4:6])
        face = target_maps[:, 3:6].amax(1, keepdim=True)
        weight = 1 + (self.config.face_weight - 1) * face + (self.config.detail_weight - self.config.face_weight) * near
        return weight / weight.mean((1, 2, 3), keepdim=True)

    def compute_critic_losses(self, outputs: Any, batch: Batch, critic: nn.Module) -> Losses:
        raise AssertionError("no critic in this recipe")

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR and L1 of first frame -> later frames of validation clips; the source and the mesh warp beside it."""
        sums: dict[str, list[float]] = {}
        for batch in self.validation_batches(device):
            result = compose(networks(*self.inputs(batch)), batch["source"])
            analytic = warp(batch["source"], resize(batch["mesh_displacement"], batch["source"].shape[-1]))
            for name, picture in (("", result), ("_copy", batch["source"]), ("_mesh_warp", analytic)):
                difference = picture - batch["target"]
                psnr = -10 * difference.square().mean((1, 2, 3)).clamp(min=1e-10).log10()
                sums.setdefault("psnr" + name, []).extend(psnr.tolist())
                sums.setdefault("l1" + name, []).extend(difference.abs().mean((1, 2, 3)).tolist())
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def validation_batches(self, device: torch.device, per_clip: int = 8) -> list[Batch]:
        """Fixed pairs: the first frame drives `per_clip` later ones, evenly spread."""
        batches, side = [], self.config.side
        for first, last in self.val.clip_ranges:
            rows = np.linspace(first, last - 1, per_clip + 1).round().astype(int)[1:]
            resized = [
                cv2.resize(self.val.rgb[row], (side, side), interpolation=cv2.INTER_AREA) for row in (first, *rows)
            ]
            meshes = (self.val.mesh_px[[first, *rows]] / 128 - [1, 1, 0]).astype(np.float32)
            pictures = _to_tensor(resized).to(device)
            mesh = torch.from_numpy(meshes).to(device)
            count = len(rows)
            batches.append(
                self.add_maps(
                    {
                        "source": pictures[:1].expand(count, -1, -1, -1).contiguous(),
                        "target": pictures[1:],
                        "source_mesh": mesh[:1].expand(count, -1, -1).contiguous(),
                        "target_mesh": mesh[1:],
                    }
                )
            )
        return batches

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray:
        """Rows: source, target, mesh warp, result, matte (red warped, green untouched, blue generated)."""
        rows = []
        for k, batch in enumerate(self.validation_batches(device)):
            pick = slice(3 + k % 4, 4 + k % 4)
            one = {key: value[pick] for key, value in batch.items()}
            drawn = networks(*self.inputs(one))
            result = compose(drawn, one["source"])
            analytic = warp(one["source"], resize(one["mesh_displacement"], self.config.side))
            rows.append(torch.cat([one["source"], one["target"], analytic, result, drawn.matte], dim=2)[0])
        picture = torch.cat(rows, dim=2).permute(1, 2, 0).clamp(0, 1)
        return (picture.cpu().numpy() * 255).astype(np.uint8)

    def export(self, networks: nn.Module, folder: pathlib.Path, facts: dict[str, Any]) -> None:
        config = {"model": "correspondence", "network": dataclasses.asdict(self.network_config)}
        write_model(networks.net, folder, config, facts)


def matched_targets(model: Any, source: torch.Tensor, driving: torch.Tensor) -> torch.Tensor:
    """Target meshes of self-reenactment: the source frame is the driver's neutral frame."""
    fits = read_mesh_motion(model, torch.cat([source, driving]))
    count = len(source)
    neutral, motion = fits[slice(0, count)], fits[slice(count, 2 * count)]
    identity = split_identity(model, source)
    return match_identity(model, identity, motion, neutral)


def _to_tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.float().div(255).contiguous(memory_format=torch.channels_last)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[CorrespondenceTask, LoopConfig]:
    """`tiny`, the embedded preset, by default. First at 128 px (``--side 128``), then from those weights at 256.

    ``--preset paper`` is sixteen times as large and gets ten times the steps at a lower rate: a choice of this
    project, for the paper's schedule is not at hand.
    """
    side = arguments.side or 256
    preset = network_config_for(arguments.preset or "tiny")
    config = CorrespondenceTaskConfig(side=side, resident=arguments.resident)
    own = with_own_meshes(train, arguments.cache, "train") if arguments.own_meshes else None
    task = CorrespondenceTask(train, val, preset, config, own)
    start_from(task.networks.net, arguments.init)
    if arguments.preset == "paper":
        return task, LoopConfig(
            steps=200_000, batch_size=8, learning_rate=2e-4, validate_every=10_000, save_every=1_000
        )
    return task, LoopConfig(steps=20_000, batch_size=8, learning_rate=1e-3, validate_every=1_000, save_every=250)


def network_config_for(preset: str) -> CorrespondenceConfig:
    """The preset's configuration.

    Raises:
        ConfigError: there is none of this name.
    """
    if preset not in PRESETS:
        raise ConfigError(f"correspondence has the presets {', '.join(PRESETS)}, not {preset!r}")
    return PRESETS[preset]
