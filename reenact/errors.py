"""Everything that can go wrong for a reason the user can mend.

Each text says what happened, what was expected and what to do. The command line prints it as one line and exits
with 2; the page shows it as a message.
"""


class ReenactError(Exception):
    """Base of all errors that the package raises on purpose."""


class NoFaceFoundError(ReenactError):
    """No usable face in a picture or a clip."""


class UnsupportedInputError(ReenactError):
    """A file that cannot be read, or does not hold what was asked for."""


class OutputError(ReenactError):
    """The result cannot be written where it was asked to go."""


class ConfigError(ReenactError):
    """Settings that contradict each other or lie outside their range."""


class CheckpointError(ReenactError):
    """Weights that are missing, incomplete, of another model, or in a format that is not accepted."""


class MissingDependencyError(ReenactError):
    """An optional library or its weights are needed and absent."""


class ShapeError(ReenactError):
    """A tensor of another shape than promised."""


class StoppedError(ReenactError):
    """The user stopped the work."""
