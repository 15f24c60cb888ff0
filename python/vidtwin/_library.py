"""libvidtwin by ctypes: the structures of vidtwin.h, and calls whose statuses become exceptions.

ctypes lets go of the interpreter's lock during each call.
"""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import POINTER, Structure, c_char, c_char_p, c_float, c_int32, c_int64, c_size_t, c_ssize_t, \
    c_uint32, c_uint64, c_void_p
from typing import Any, Optional

from .errors import UnsupportedError, of_status

OK, AGAIN, END = 0, 1, 2
PRECISIONS = ("auto", "f32", "bf16", "int8")
PARTS = ("all", "structure", "dynamics")
RGB24, RGBF32_PLANAR, RGB24_PLANAR = 1, 2, 3
#: The oldest interface that has all that is called here.
NEEDED = (1, 2)

LogCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class ModelOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("config", c_char_p), ("checkpoint", c_char_p), ("model", c_char_p),
        ("threads", c_int32), ("precision", c_int32), ("log", LogCallback), ("log_user", c_void_p),
        ("copy_weights", c_int32), ("reserved", c_int32),
    ]


class ModelInfo(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("width", c_int32), ("height", c_int32), ("clip_frames", c_int32),
        ("threads", c_int32), ("precision", c_int32), ("reserved", c_int32), ("weights", c_int64),
        ("structure_shape", c_int32 * 4), ("dynamics_x_shape", c_int32 * 3),
        ("dynamics_y_shape", c_int32 * 3),
    ]


class ModelIdentity(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("config_sha256", c_char * 72), ("checkpoint_sha256", c_char * 72),
    ]


class SessionOptions(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("part", c_int32), ("overlap", c_int32), ("sample", c_int32),
        ("reserved", c_int32), ("seed", c_uint64), ("log", LogCallback), ("log_user", c_void_p),
    ]


class Frame(Structure):
    _fields_ = [
        ("format", c_int32), ("width", c_int32), ("height", c_int32), ("reserved", c_int32),
        ("data", c_void_p * 3), ("stride", c_ssize_t * 3), ("pts", c_int64),
    ]


class LatentArrays(Structure):
    _fields_ = [
        ("structure", c_void_p), ("structure_count", c_size_t), ("dynamics_x", c_void_p),
        ("dynamics_x_count", c_size_t), ("dynamics_y", c_void_p), ("dynamics_y_count", c_size_t),
    ]


_ARGUMENTS = {
    "vidtwin_model_options_default": (POINTER(ModelOptions), c_size_t),
    "vidtwin_model_open": (POINTER(c_void_p), POINTER(ModelOptions), c_char_p, c_size_t),
    "vidtwin_model_close": (POINTER(c_void_p),),
    "vidtwin_model_get_info": (c_void_p, POINTER(ModelInfo)),
    "vidtwin_model_get_identity": (c_void_p, POINTER(ModelIdentity), c_char_p, c_size_t),
    "vidtwin_session_options_default": (POINTER(SessionOptions), c_size_t),
    "vidtwin_session_open": (POINTER(c_void_p), c_void_p, POINTER(SessionOptions), c_char_p, c_size_t),
    "vidtwin_session_close": (POINTER(c_void_p),),
    "vidtwin_session_send": (c_void_p, POINTER(Frame), c_char_p, c_size_t),
    "vidtwin_session_receive": (c_void_p, POINTER(Frame), c_char_p, c_size_t),
    "vidtwin_session_flush": (c_void_p, c_char_p, c_size_t),
    "vidtwin_session_encode": (
        c_void_p, POINTER(Frame), c_size_t, POINTER(LatentArrays), c_char_p, c_size_t),
    "vidtwin_session_moments": (
        c_void_p, POINTER(Frame), c_size_t, POINTER(LatentArrays), POINTER(LatentArrays), c_char_p,
        c_size_t),
    "vidtwin_session_decode": (
        c_void_p, POINTER(LatentArrays), POINTER(Frame), c_size_t, c_char_p, c_size_t),
    "vidtwin_session_cross": (
        c_void_p, POINTER(Frame), c_size_t, POINTER(Frame), c_size_t, POINTER(Frame), c_char_p, c_size_t),
}

_loaded: Optional[ctypes.CDLL] = None
_loading = threading.Lock()


def path() -> str:
    """Where the library is: VIDTWIN_LIBRARY, else the one in this package, else what the loader finds."""
    chosen = os.environ.get("VIDTWIN_LIBRARY")
    if chosen:
        return chosen
    inside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "libvidtwin.so.1")
    return inside if os.path.exists(inside) else "libvidtwin.so.1"


def library() -> ctypes.CDLL:
    """The library, loaded at the first call."""
    global _loaded
    if _loaded is None:
        with _loading:
            if _loaded is None:
                _loaded = _load(path())
    return _loaded


def _load(where: str) -> ctypes.CDLL:
    try:
        found = ctypes.CDLL(where)
        found.vidtwin_api_version.restype = c_uint32
        found.vidtwin_api_version.argtypes = ()
        found.vidtwin_version.restype = c_char_p
        found.vidtwin_version.argtypes = ()
        version = found.vidtwin_api_version()
    except (OSError, AttributeError) as error:
        raise ImportError(f"{where}: no libvidtwin that can be loaded here: {error}") from error
    major, minor = version >> 16, version & 0xFFFF
    if major != NEEDED[0] or minor < NEEDED[1]:
        raise UnsupportedError(
            f"{where}: expected interface {NEEDED[0]}.{NEEDED[1]} or a later {NEEDED[0]}.x, "
            f"found {major}.{minor}")
    for name, arguments in _ARGUMENTS.items():
        function = getattr(found, name)
        function.argtypes = arguments
        function.restype = None if name.endswith("_close") else c_int32
    return found


def call(name: str, *arguments: Any) -> int:
    """Calls a function whose last arguments are a message and its size; a status that is no error.

    Raises the class of the error's status.
    """
    message = ctypes.create_string_buffer(2048)
    status = getattr(library(), name)(*arguments, message, len(message))
    if status < 0:
        raise of_status(status, message.value.decode("utf-8", "replace"))
    return int(status)


def call_plain(name: str, *arguments: Any) -> None:
    """Calls a function that has no message."""
    status = getattr(library(), name)(*arguments)
    if status < 0:
        raise of_status(status, name)


def version() -> str:
    """The library's version, as in "0.1.0"."""
    return str(library().vidtwin_version().decode())
