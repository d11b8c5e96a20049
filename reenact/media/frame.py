"""The type of a picture in memory."""

import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "height width 3"]
"""A decoded RGB picture of any size."""
