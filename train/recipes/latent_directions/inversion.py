"""`E_w` learns to invert real pictures; the generator is frozen (section 3.3)."""

from reenact.systems.latent_directions.config import PRESETS
from train.data.faces import FaceData
from train.pairs.aligned import AlignedPairConfig
from train.recipes.latent_directions.parts import PartTask, PartTaskConfig
from train.recipes.task import find_preset
from train.run.loop import LoopConfig
from train.run.options import RecipeOptions


class InversionTask(PartTask):
    """Pictures with themselves."""

    trained = ("encoder",)


def build(train: FaceData, val: FaceData, options: RecipeOptions) -> tuple[InversionTask, LoopConfig]:
    """`tiny` by default; ``--init`` gives the generator."""
    network = find_preset(PRESETS, options.preset, "latent_directions")
    config = PartTaskConfig(pairs=AlignedPairConfig(same_share=1.0))
    task = InversionTask(train, val, network, config, options.cache)
    task.start_from(options.init)
    return task, part_loop(2000)


def part_loop(steps: int) -> LoopConfig:
    """What the recipes with a frozen generator share."""
    return LoopConfig(
        steps=steps,
        batch_size=16,
        learning_rate=1e-3,
        final_rate=0.1,
        weight_decay=0.0,
        warmup_steps=50,
        clip_norm=5.0,
        ema_decay=0.995,
        log_every=25,
        validate_every=500,
        save_every=100,
    )
