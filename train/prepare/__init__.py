"""From a folder of clips and pictures to a labelled set of faces in shards.

find_sources ──▶ per file, in worker processes: follow people, cut stretches, crop, label, filter ──▶ OUT/work/units
                                           └──▶ people, splits, shards, index, report ──▶ OUT
"""

from train.prepare.run import PreparedFacts, PrepareProgress, prepare
from train.prepare.settings import PrepareSettings

__all__ = ["PrepareProgress", "PrepareSettings", "PreparedFacts", "prepare"]
