"""VidTwin: clips of video to structure and dynamics latents, and back.

    >>> import vidtwin
    >>> with vidtwin.Model() as model:                      # the bundled model
    ...     latents = model.encode(frames)                  # [clips, 16, 224, 224, 3] uint8
    ...     again = model.decode(latents)

Arrays are numpy's; torch tensors on the CPU are taken without a copy. See docs/PYTHON.md.
"""

from ._library import version
from .errors import (
    ArgumentError, DataError, Error, FormatError, InternalError, ModelError, OutOfMemoryError, StateError,
    UnsupportedError)
from .latents import Latents, Moments
from .model import Model, ModelIdentity, ModelInfo
from .samples import Sample, clip_samples, read_latents, write_latents

__all__ = [
    "Model", "ModelInfo", "ModelIdentity", "Latents", "Moments", "Sample", "read_latents",
    "write_latents", "clip_samples", "version", "Error", "ArgumentError", "ModelError", "DataError",
    "OutOfMemoryError", "StateError", "UnsupportedError", "InternalError", "FormatError",
]
__version__ = "0.1.0"
