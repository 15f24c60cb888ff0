"""What can go wrong: one class for each error status of vidtwin.h, and one for files of latents.

Each class is also the built-in one that a Python program would expect, so that ``except ValueError``
catches what is wrong with an argument.
"""

from __future__ import annotations

from typing import Dict, Type

__all__ = [
    "Error", "ArgumentError", "ModelError", "DataError", "OutOfMemoryError", "StateError",
    "UnsupportedError", "InternalError", "FormatError",
]


class Error(Exception):
    """The base of all errors of this package. ``str()`` says what, where, expected, found."""

    #: The status of vidtwin.h, or None where the error is not the library's.
    status: "int | None" = None


class ArgumentError(Error, ValueError):
    """A shape, type, number or text that makes no sense (VIDTWIN_ERROR_ARGUMENT)."""

    status = -1


class ModelError(Error):
    """No such model, or one that is damaged or does not fit (VIDTWIN_ERROR_MODEL)."""

    status = -2


class DataError(Error, ValueError):
    """NaN or infinity among frames, latents or results (VIDTWIN_ERROR_DATA)."""

    status = -3


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory; the model can go on later (VIDTWIN_ERROR_MEMORY)."""

    status = -4


class StateError(Error, RuntimeError):
    """A model that is closed, or a stream that is in use or was left by a fork (VIDTWIN_ERROR_STATE)."""

    status = -5


class UnsupportedError(Error, NotImplementedError):
    """What this version of the library does not have (VIDTWIN_ERROR_UNSUPPORTED)."""

    status = -6


class InternalError(Error, RuntimeError):
    """A fault of the library (VIDTWIN_ERROR_INTERNAL)."""

    status = -7


class FormatError(Error, ValueError):
    """A file or stream that holds other things than the latents that ``vtfilter encode`` writes."""


_BY_STATUS: Dict[int, Type[Error]] = {
    kind.status: kind
    for kind in (ArgumentError, ModelError, DataError, OutOfMemoryError, StateError, UnsupportedError,
                 InternalError)
}


def of_status(status: int, text: str) -> Error:
    """The error that goes with a negative status."""
    kind = _BY_STATUS.get(status, InternalError)
    return kind(text or f"status {status}")
