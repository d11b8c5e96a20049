"""Recipe: the embedded variant of the face generator, across any turn of the head (`train/pairs/turned.py`).

Geometry moves the source, which does most of the work, so that little data and hours on a CPU suffice. The network
learns what geometry cannot know: openings of mouth and eyes, seams, light. Its head is judged on the true picture's own
ground (`train.recipes.layered`): what stands behind it is the portrait's.
"""

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.morphable import load_morphable
from reenact.systems.dual_generator.config import PRESETS, DualGeneratorConfig
from train.data.faces import FaceData
from train.data.own_labels import with_own_meshes
from train.evaluate.metrics import csim
from train.losses import reconstruction
from train.pairs.turned import TurnedPairConfig, TurnedPairs, posed_of
from train.readers import FaceReaders
from train.recipes.dual_generator import PARTS
from train.recipes.dual_generator.face import DrawnTarget, FaceModel, face_inputs, landmark_map
from train.recipes.layered import Look, LookConfig, draw_window
from train.recipes.task import Figures, RecipeTask, find_preset, picture_rows
from train.run.loop import Batch, LoopConfig, Losses
from train.run.options import RecipeOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnedTaskConfig(LookConfig):
    """Pairs, and weights of the losses, which are means over pixels."""

    pairs: TurnedPairConfig = dataclasses.field(default_factory=TurnedPairConfig)
    """Kinds of pairs, and their side."""
    attribute: float = 10.0
    """λ_at, of the difference to the target's picture (equation 8)."""
    drawn: float = 2.0
    """Weight of the same difference of what the network draws, where the moved source does not show the target."""
    scales: float = 4.0
    """Weight of differences averaged over blocks of 4 to 16 pixels."""
    gradient: float = 3.0
    """Weight of differences between the gradients."""
    detail_weight: float = 6.0
    """Weight of openings of mouth and eyes with a rim, over the rest."""
    validation_pairs: int = 96
    """Pairs of validation people, drawn as in training; at most as many as there are pictures."""


class TurnedFaceTask(RecipeTask):
    """A source moved by geometry, and finished by the network."""

    parts = PARTS

    def __init__(
        self,
        train: FaceData,
        val: FaceData,
        network: DualGeneratorConfig,
        config: TurnedTaskConfig,
        own: FaceData | None = None,
    ) -> None:
        self.val, self.network_config, self.config = val, network, config
        self.morphable, self.readers = load_morphable(), FaceReaders()
        self.pairs = TurnedPairs(train, config.pairs, self.morphable, own)
        self.networks = FaceModel(network, restyle=False)
        self.look = Look(config)
        self.critic = self.look.make_critic()
        self._validation: list[Batch] = []

    def use_data(self, train: FaceData) -> None:
        self.pairs = TurnedPairs(train, self.config.pairs, self.morphable)

    def sample_batch(self, rng: np.random.Generator, size: int, device: torch.device) -> Batch:
        batch = self.prepare(self.pairs.sample(rng, size, device))
        return batch | draw_window(rng, self.config.pairs.side)

    def prepare(self, batch: Batch) -> Batch:
        """Add the target's landmark map."""
        landmarks = landmarks68_of(batch["target_mesh"])
        return batch | {"landmark_map": landmark_map(landmarks, self.config.pairs.side)}

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return face_inputs(batch)

    def compute_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module | None) -> Losses:
        config, target, known = self.config, batch["target"], batch["weight"] * batch["posed_head"]
        near = reconstruction.with_rim(batch["posed_parts"][:, 1:])
        weight = 1 + (config.detail_weight - 1) * near
        picture = self.picture(outputs, batch)
        difference = picture - target
        hidden = known * (1 - batch["posed_shown"])
        assert outputs.colour is not None
        drawn = ((outputs.colour - target).abs() * hidden).mean((1, 2, 3)) / hidden.mean((1, 2, 3)).clamp(min=0.02)
        return {
            "attribute": config.attribute * (weight * difference.abs()).mean(),
            "drawn": config.drawn * drawn.mean(),
            "scales": config.scales * reconstruction.multi_scale_l1(difference),
            "gradient": config.gradient * reconstruction.gradient_l1(difference).mean(),
        } | self.look.compute(batch, picture, target, critic)

    def picture(self, outputs: DrawnTarget, batch: Batch) -> Tensor:
        """The drawn head on the target's own ground; where the target is made up it is mostly the target."""
        return torch.lerp(batch["target"], outputs.rgb, batch["weight"] * batch["posed_head"])

    def compute_critic_losses(self, outputs: DrawnTarget, batch: Batch, critic: nn.Module) -> Losses:
        return self.look.train_critic(batch, self.picture(outputs, batch), batch["target"], critic)

    def validation_batches(self, device: torch.device) -> list[Batch]:
        """Pairs of validation people as in training, the same at each call."""
        if not self._validation:
            config = dataclasses.replace(
                self.config.pairs, pool=self.config.validation_pairs, light=0.0, seed=1, photo_share=1.0
            )
            pairs, rows = TurnedPairs(self.val, config, self.morphable), range(min(config.pool, len(self.val)))
            self._validation = [pairs.at(list(rows[i : i + 8]), torch.device("cpu")) for i in rows[::8]]
        return [self.prepare({key: value.to(device) for key, value in batch.items()}) for batch in self._validation]

    @torch.no_grad()
    def validate(self, networks: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures of the head on the target's own ground: PSNR, L1, feature distance, AKD (pixels at 256), CSIM.

        `_moved` are those of the moved source.
        """
        figures, readers = Figures(), self.readers.to(device)
        for batch in self.validation_batches(device):
            target, wanted = batch["target"], landmarks68_of(batch["target_mesh"])
            tracker, identity = readers.crops_of(batch["target_mesh"], self.config.pairs.side)
            posed, who = posed_of(batch), readers.embed(target, identity)
            shown = torch.maximum(posed.shown, 1 - posed.mirrored_shown)
            moved = shown * posed.rgb + (1 - shown) * posed.mirrored
            heads = {"": networks(*self.inputs(batch)).rgb, "_moved": moved}
            pictures = {name: torch.lerp(target, head, batch["posed_head"]) for name, head in heads.items()}
            self.look.measure(figures, pictures, target)
            for ending, rgb in (pictures | {"_real": target}).items():
                figures.add(f"akd_px{ending}", readers.akd_px(rgb, tracker, wanted))
                if ending != "_real":
                    figures.add(f"csim{ending}", csim(readers.embed(rgb, identity), who))
        return figures.means()

    @torch.no_grad()
    def draw_samples(self, networks: nn.Module, device: torch.device) -> np.ndarray | None:
        """Rows: source, moved source, its mirror image, drawn, result, target."""
        rows: list[list[Tensor]] = []
        for batch in self.validation_batches(device):
            answer = networks(*self.inputs(batch))
            sources = [batch["source"], batch["posed_rgb"], batch["posed_mirrored"]]
            shown = [*sources, answer.colour, answer.rgb, batch["target"]]
            rows += [[picture[k : k + 1] for picture in shown] for k in range(0, len(answer.rgb), 4)]
        return picture_rows(rows[:24])


LOOP = LoopConfig(
    steps=6_000,
    batch_size=4,
    learning_rate=1e-3,
    weight_decay=0.0,
    ema_decay=0.998,
    save_every=250,
    validate_every=500,
)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[TurnedFaceTask, LoopConfig]:
    """The variant alone: dual_generator_face and dual_generator_face_cross train the paper's form."""
    network = dataclasses.replace(find_preset(PRESETS, options.preset, "dual_generator"), source_features=True)
    own = with_own_meshes(train, options.cache, "train") if options.own_meshes else None
    config = TurnedTaskConfig(pairs=TurnedPairConfig(side=options.side or 256))
    task = TurnedFaceTask(train, val, network, config, own)
    task.start_from(options.init)
    return task, LOOP
