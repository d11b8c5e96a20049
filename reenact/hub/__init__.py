"""Names -> weights on disk -> loaded objects."""

from reenact.hub.checkpoint import Checkpoint, load_weights, read_checkpoint, read_network_config
from reenact.hub.loading import (
    load,
    load_detector,
    load_hidden,
    load_identity,
    load_parser,
    load_tracker,
    select_device,
)
from reenact.hub.names import resolve

__all__ = [
    "Checkpoint",
    "load",
    "load_detector",
    "load_hidden",
    "load_identity",
    "load_parser",
    "load_tracker",
    "load_weights",
    "read_checkpoint",
    "read_network_config",
    "resolve",
    "select_device",
]
