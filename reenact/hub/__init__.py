"""Names -> weights on disk -> loaded objects."""

from reenact.hub.checkpoint import Checkpoint, load_weights, read_checkpoint, read_network_config, resolve
from reenact.hub.loading import load, load_identity, load_parser, load_tracker, select_device

__all__ = [
    "Checkpoint",
    "load",
    "load_identity",
    "load_parser",
    "load_tracker",
    "load_weights",
    "read_checkpoint",
    "read_network_config",
    "resolve",
    "select_device",
]
