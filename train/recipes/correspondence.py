"""Recipe: the correspondence system, by self-reenactment of clips (one frame drives another of the same person)."""

import dataclasses
import pathlib
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from reenact.geometry.flow import draw_face, mesh_flow
from reenact.geometry.morphable import load_morphable
from reenact.ops.warp import resize, warp
from reenact.systems.correspondence.config import PRESETS, CorrespondenceConfig
from reenact.systems.correspondence.motion import match_identity, read_mesh_motion, split_identity
from reenact.systems.correspondence.networks import CorrespondenceNetworks, DrawnFace, compose
from train.augment import warp_crop
from train.data import FaceData
from train.export import start_from, write_model
from train.loop import Batch, LoopConfig, Losses
from train.mirror import mirror_of_mesh
from train.own_labels import with_own_meshes


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
        self.train, self.val, self.network_config, self.config = train, val, network, config
        self.networks = PairModel(network)
        self.own = own
        self.critic = None
        self.model = load_morphable()
        self.mirror = mirror_of_mesh(train)
        self.stills = np.flatnonzero(train.is_still)
        # long clips and people with many clips count with the square root of what they have
        clip_person = np.array([train.person[a] for a, _ in train.clip_ranges])
        length = np.array([b - a for a, b in train.clip_ranges], float)
        weight = np.sqrt(length) / np.sqrt(np.bincount(clip_person)[clip_person])
        self.clip_cumulative = np.cumsum(weight / weight.sum())

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        sources, targets, source_meshes, target_meshes, still = [], [], [], [], []
        for _ in range(size):
            same = rng.random() < self.config.same_frame_share
            if same:
                i = j = int(rng.choice(self.stills))
            else:
                clip = min(int(np.searchsorted(self.clip_cumulative, rng.random())), len(self.train.clip_ranges) - 1)
                i, j = (int(k) for k in rng.integers(*self.train.clip_ranges[clip], 2))
            pair = self._crop_pair(i, j, rng)
            sources.append(pair[0])
            targets.append(pair[1])
            source_meshes.append(pair[2])
            target_meshes.append(pair[3])
            still.append(same)
        batch = {
            "source": _to_tensor(sources),
            "target": _to_tensor(targets),
            "source_mesh": torch.from_numpy(np.stack(source_meshes)),
            "target_mesh": torch.from_numpy(np.stack(target_meshes)),
        }
        batch = {key: value.to(device) for key, value in batch.items()}
        return self.add_maps(batch)

    def _crop_pair(self, i: int, j: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Both frames through one random similarity, mirror and light; meshes along, in half-sides."""
        data, side = self.train, self.config.side
        turn = np.radians(rng.normal(0, 4))
        zoom = np.exp(rng.normal(0, 0.08)) * side / 256
        c, s = zoom * np.cos(turn), zoom * np.sin(turn)
        matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        matrix[:2, 2] = side / 2 + rng.normal(0, 0.03, 2) * side - matrix[:2, :2] @ [128, 128]
        flip = rng.random() < 0.5
        light = np.exp(rng.normal(0, 0.15, 3)) * np.exp(rng.normal(0, 0.15))
        gamma = np.exp(rng.normal(0, 0.15))
        table = np.clip(255 * (np.arange(256)[:, None] / 255) ** gamma * light, 0, 255).astype(np.uint8)
        labelled = self.own if self.own is not None and rng.random() < 0.5 else data
        pictures, meshes = [], []
        for row in (i, j):
            rgb, mesh = data.rgb[row], labelled.mesh_px[row].astype(np.float64)
            if side < 256:
                rgb = cv2.GaussianBlur(rgb, (0, 0), 0.5 * (256 / side) ** 0.5)
            crop = warp_crop(rgb, matrix, side, cv2.BORDER_REFLECT_101)
            crop = cv2.LUT(crop, table[None])
            moved = np.concatenate([mesh[:, :2] @ matrix[:2, :2].T + matrix[:2, 2], mesh[:, 2:] * zoom], axis=1)
            if flip:
                crop = crop[:, ::-1]
                moved = moved[self.mirror] * [-1, 1, 1] + [side, 0, 0]
            pictures.append(np.ascontiguousarray(crop))
            meshes.append((moved * (2 / side) - [1, 1, 0]).astype(np.float32))
        return pictures[0], pictures[1], meshes[0], meshes[1]

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
        half = outputs.displacement.shape[-1]
        difference = compose(outputs, source) - target
        weight = self.weight_map(batch["target_maps"])
        weight_full = functional.interpolate(weight, scale_factor=2, mode="nearest")
        small_source, small_target = functional.avg_pool2d(source, 2), functional.avg_pool2d(target, 2)
        warped = warp(small_source, outputs.displacement) - small_target
        colour = functional.avg_pool2d(outputs.colour, 2) - small_target
        face = batch["target_maps"][:, 3:4] * batch["visible"]
        prior_error = (outputs.displacement - batch["mesh_displacement"]).abs().sum(1, keepdim=True)
        small = outputs.matched.shape[-1]
        match_error = (outputs.matched - resize(batch["mesh_displacement"], small)).abs().sum(1, keepdim=True)
        residual = outputs.displacement - batch["mesh_displacement"]
        return {
            "l1": 5 * (weight_full * difference.abs()).mean(),
            "scales": 4 * multi_scale_l1(difference),
            "gradient": 2 * (weight_full[..., 1:, 1:] * gradient_l1(difference)).mean(),
            "warped": 1 * (weight * warped.abs()).mean(),
            "warped_coarse": 2 * coarse_warp_l1(source, target, outputs.displacement),
            "colour": 1.5 * (weight * colour.abs()).mean(),
            "prior": 0.5 * (prior_error * face).mean(),
            "match": 0.5 * (match_error * resize(face, small)).mean(),
            "smooth": 0.3 * (residual.diff(dim=-1).abs().mean() + residual.diff(dim=-2).abs().mean()) * half / 64,
            "matte": 0.02 * (functional.avg_pool2d(outputs.matte[:, 2:], 2) * face).mean(),
        }

    def weight_map(self, target_maps: torch.Tensor) -> torch.Tensor:
        """(f, 1, h, w) with mean 1: openings of mouth and eyes with a rim, then the face, then the rest."""
        openings = target_maps[:, 4:6].amax(1, keepdim=True)
        rim = max(target_maps.shape[-1] // 64, 1) * 2 + 1
        near = functional.max_pool2d(openings, rim, 1, rim // 2)
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
    return match_identity(model, identity, motion, neutral, "absolute")


def multi_scale_l1(difference: torch.Tensor) -> torch.Tensor:
    """Mean L1 of a difference averaged over blocks of 4, 8 and 16 pixels."""
    terms, pooled = [], functional.avg_pool2d(difference, 2)
    for _ in range(3):
        pooled = functional.avg_pool2d(pooled, 2)
        terms.append(pooled.abs().mean())
    return torch.stack(terms).mean()


def coarse_warp_l1(source: torch.Tensor, target: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """Mean L1 of the warped source at 1/8 and 1/16 of the side: blurred pictures guide a flow that is far off."""
    terms = []
    small_source, small_target = functional.avg_pool2d(source, 4), functional.avg_pool2d(target, 4)
    for _ in range(2):
        small_source, small_target = functional.avg_pool2d(small_source, 2), functional.avg_pool2d(small_target, 2)
        terms.append((warp(small_source, resize(displacement, small_source.shape[-1])) - small_target).abs().mean())
    return torch.stack(terms).mean()


def gradient_l1(difference: torch.Tensor) -> torch.Tensor:
    """(f, 3, h - 1, w - 1): L1 of the forward differences along x and y."""
    corner = difference[..., 1:, 1:]
    return (corner - difference[..., 1:, :-1]).abs() + (corner - difference[..., :-1, 1:]).abs()


def _to_tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.float().div(255).contiguous(memory_format=torch.channels_last)


def build(train: FaceData, val: FaceData, arguments: Any) -> tuple[CorrespondenceTask, LoopConfig]:
    """The embedded `tiny` preset. First at 128 px (``--side 128``), then from those weights at 256."""
    side = arguments.side or 256
    preset = PRESETS["tiny"]
    config = CorrespondenceTaskConfig(side=side)
    own = with_own_meshes(train, arguments.cache, "train") if arguments.own_meshes else None
    task = CorrespondenceTask(train, val, preset, config, own)
    start_from(task.networks.net, arguments.init)
    return task, LoopConfig(
        steps=20000, batch_size=8, learning_rate=1e-3, validate_every=1000, save_every=250, clip_norm=1.0
    )
