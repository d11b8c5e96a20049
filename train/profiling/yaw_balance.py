"""Rows of a split so drawn that heads turned far come as often as heads that look ahead.

Every bin of |yaw| has the same share of a batch (to one row). Within a bin, real pictures and pictures turned by face
profiling take turns; a bin with few real pictures has fewer of them, so that the same dozen does not come back with
every batch.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from reenact.errors import ConfigError
from reenact.geometry.morphable import MorphableModel
from train.data.faces import FaceData
from train.profiling.turn import ProfiledFace, profile_face

YAW_BINS_DEG = ((0.0, 15.0), (15.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 90.0))
"""Bins of |yaw|; the last takes what lies beyond, too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class YawBalanceConfig:
    """How rows are drawn."""

    bins_deg: tuple[tuple[float, float], ...] = YAW_BINS_DEG
    """Bins of |yaw| in degrees, each as often as the others."""
    real_share: float = 0.5
    """Real pictures in a bin that has enough of them; 1 draws profiled ones only where there is no real one, 0 draws no
    real ones."""
    enough: int = 200
    """Real pictures in a bin from which on `real_share` is reached; below, in proportion."""
    straight_deg: float = 20.0
    """Largest |yaw| of a picture that is turned: one that looks ahead shows both halves of the face."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: a number outside its range, or bins that are none.
        """
        if not 0 <= self.real_share <= 1:
            raise ConfigError(f"real_share is a share, got {self.real_share:g}; give 0 to 1")
        if self.enough < 1:
            raise ConfigError(f"enough counts pictures, got {self.enough}; give 1 or more")
        if not self.bins_deg or any(not 0 <= low < high <= 90 for low, high in self.bins_deg):
            raise ConfigError(f"bins_deg are pairs 0 <= low < high <= 90, got {self.bins_deg}")


class YawDraws(NamedTuple):
    """Rows and what to do with them."""

    rows: np.ndarray
    """(n,) int64 rows of the split."""
    yaw_deg: np.ndarray
    """(n,) float64 yaw of the wanted picture; that of the row itself where it is real."""
    profiled: np.ndarray
    """(n,) bool: the row is to be turned to `yaw_deg`."""


class YawBalance:
    """Draws rows of one split."""

    def __init__(self, data: FaceData, config: YawBalanceConfig | None = None) -> None:
        """Sort the rows into bins.

        Args:
            data: the split. Only rows with a parsing are drawn.
            config: how; the defaults if None.

        Raises:
            ConfigError: no picture can be turned, and a bin has no real picture either.
        """
        self.data, self.config = data, YawBalanceConfig() if config is None else config
        yaw, parsed = np.abs(data.yaw_deg), np.asarray(data.has_parsing, bool)
        bins = self.config.bins_deg
        self.real = [
            np.flatnonzero(parsed & (yaw >= low) & ((yaw < high) | (high == bins[-1][1]))) for low, high in bins
        ]
        self.straight = np.flatnonzero(parsed & (yaw <= self.config.straight_deg))
        empty = [f"{low:g}-{high:g}" for (low, high), rows in zip(bins, self.real, strict=True) if not len(rows)]
        if not len(self.straight) and empty:
            raise ConfigError(
                f"no picture below {self.config.straight_deg:g} degrees of yaw has a parsing, and none lies at "
                f"{empty[0]} degrees; label the data with a parser, or give other bins"
            )
        self.real_shares = np.array([self._real_share(rows) for rows in self.real])
        self._real_people = [np.unique(data.person[rows]) for rows in self.real]
        self._straight_people = np.unique(data.person[self.straight])

    def draw(self, rng: np.random.Generator, size: int) -> YawDraws:
        """`size` rows, bins equally often to one row, in random order; the same state of `rng` draws the same."""
        count = len(self.config.bins_deg)
        bins = rng.permutation((np.arange(size) + rng.integers(count)) % count)
        real = rng.random(size) < self.real_shares[bins]
        rows, yaw_deg = np.empty(size, np.int64), np.empty(size)
        for i, k in enumerate(bins):
            if real[i]:
                rows[i] = self._of_any_person(self.real[k], self._real_people[k], rng)
                yaw_deg[i] = self.data.yaw_deg[rows[i]]
            else:
                rows[i] = self._of_any_person(self.straight, self._straight_people, rng)
                side = np.sign(self.data.yaw_deg[rows[i]]) or 1.0  # what it shows more of
                yaw_deg[i] = side * rng.uniform(*self.config.bins_deg[k])
        return YawDraws(rows=rows, yaw_deg=yaw_deg, profiled=~real)

    def turn(self, model: MorphableModel, row: int, yaw_deg: float) -> ProfiledFace:
        """A row of the draw, turned as it says."""
        rgb, mesh_px, parsing = (np.array(a[row]) for a in (self.data.rgb, self.data.mesh_px, self.data.parsing))
        return profile_face(model, rgb, mesh_px, parsing, yaw_deg)

    def _real_share(self, rows: np.ndarray) -> float:
        if not len(self.straight):
            return 1.0
        if self.config.real_share == 1.0:
            return float(len(rows) > 0)
        return self.config.real_share * min(len(rows) / self.config.enough, 1.0)

    def _of_any_person(self, rows: np.ndarray, people: np.ndarray, rng: np.random.Generator) -> int:
        """A row of a person drawn first: people with many pictures do not outweigh others."""
        own = rows[self.data.person[rows] == people[rng.integers(len(people))]]
        return int(own[rng.integers(len(own))])
