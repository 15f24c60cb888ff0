"""Arrays of pixels as the library takes them, without a copy where their memory allows it."""

from __future__ import annotations

import ctypes
from typing import Any, List, Sequence, Tuple

import numpy as np

from . import _library as c
from .errors import ArgumentError


def array(value: Any, what: str) -> np.ndarray:
    """A numpy array over the memory of ``value``: an array itself, or anything with DLPack (a torch
    tensor on the CPU) or numpy's array interface. Nothing is copied where it need not be."""
    if isinstance(value, np.ndarray):
        return value
    try:
        if getattr(value, "requires_grad", False):
            value = value.detach()
        if hasattr(value, "__dlpack__") and hasattr(np, "from_dlpack"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except Exception as error:  # each library has its own for another device or type
        raise ArgumentError(
            f"{what}: expected an array in this machine's memory, found {type(value).__name__}: {error}"
        ) from error


class ClipLayout:
    """Where frames, rows, columns and colours are in an array of clips."""

    def __init__(self, shape: Sequence[int], dtype: Any, size: Tuple[int, int], what: str):
        height, width = size
        self.what = what
        last = len(shape) == 5 and shape[4] == 3 and tuple(shape[2:4]) == (height, width)
        first = len(shape) == 5 and shape[1] == 3 and tuple(shape[3:5]) == (height, width)
        if not (last or first):
            raise ArgumentError(
                f"{what}: expected [clips, frames, {height}, {width}, 3] or "
                f"[clips, 3, frames, {height}, {width}], found {list(shape)}")
        self.channels_last = last
        kind = np.dtype(dtype).newbyteorder("=")
        if kind not in (np.uint8, np.float32):
            raise ArgumentError(f"{what}: expected uint8 (0 to 255) or float32 (0 to 1), found {dtype}")
        self.is_float = kind == np.float32
        self.count = shape[1] if last else shape[2]


class Clips:
    """An array of clips, seen as frames of the library.

    uint8 goes to the library as it lies, packed or in planes; float32 as planes, so that float32 with the
    colours last is copied once, as is any array whose rows have gaps between their pixels.
    """

    def __init__(self, value: Any, size: Tuple[int, int], limit: int, what: str):
        given = array(value, what)
        self.layout = ClipLayout(given.shape, given.dtype, size, what)
        self.count = self.layout.count
        if not 1 <= self.count <= limit:
            raise ArgumentError(f"{what}: expected 1 to {limit} frames a clip, found {self.count}")
        if not given.dtype.isnative:
            given = given.astype(given.dtype.newbyteorder("="))
        # [clips, frames, height, width, 3], or [clips, frames, 3, height, width]
        view = given if self.layout.channels_last else given.swapaxes(1, 2)
        if self.layout.is_float and self.layout.channels_last:
            view = np.ascontiguousarray(view.transpose(0, 1, 4, 2, 3))
        self.is_planar = self.layout.is_float or not self.layout.channels_last
        self.view = view if rows_are_dense(view, self.is_planar) else np.ascontiguousarray(view)

    def __len__(self) -> int:
        return int(self.view.shape[0])

    def frames(self, clip: int) -> Any:
        """The frames of one clip as an array of the library's structures."""
        return describe_all(self.view[clip], self.is_planar)


def rows_are_dense(view: np.ndarray, is_planar: bool) -> bool:
    """Whether a row's samples lie side by side, at steps between rows that the library takes."""
    size, shape, strides = view.itemsize, view.shape, view.strides
    if is_planar:
        return strides[-1] == size and abs(strides[-2]) >= shape[-1] * size
    return strides[-2:] == (3 * size, size) and abs(strides[-3]) >= shape[-2] * 3 * size


def describe(frame: np.ndarray, is_planar: bool) -> c.Frame:
    """A frame that is this array's memory: [height, width, 3], or [3, height, width] planes."""
    address, strides = frame.ctypes.data, frame.strides
    if is_planar:
        kind = c.RGBF32_PLANAR if frame.dtype == np.float32 else c.RGB24_PLANAR
        found = c.Frame(kind, frame.shape[2], frame.shape[1])
        for plane in range(3):
            found.data[plane] = address + plane * strides[0]
            found.stride[plane] = strides[1]
    else:
        found = c.Frame(c.RGB24, frame.shape[1], frame.shape[0])
        found.data[0] = address
        found.stride[0] = strides[0]
    return found


def describe_all(frames: np.ndarray, is_planar: bool) -> Any:
    """A C array of frames; the memory stays the array's, which must outlive it."""
    found: List[c.Frame] = [describe(frame, is_planar) for frame in frames]
    return (c.Frame * len(found))(*found)


class Output:
    """Memory for clips that are computed: the caller's ``out``, or a new array."""

    def __init__(
        self, clips: int, count: int, size: Tuple[int, int], dtype: Any, channels_last: bool, out: Any
    ):
        height, width = size
        if out is None:
            kind = np.dtype(dtype)
            if kind not in (np.uint8, np.float32):
                raise ArgumentError(f"dtype: expected uint8 or float32, found {dtype}")
            shape = (clips, count, height, width, 3) if channels_last else (clips, 3, count, height, width)
            self.array = np.empty(shape, kind)
            self.result: Any = self.array
        else:
            self.array, self.result = array(out, "out"), out
        layout = ClipLayout(self.array.shape, self.array.dtype, size, "out")
        if len(self.array) != clips or layout.count != count:
            raise ArgumentError(
                f"out: expected {clips} clips of {count} frames, found {len(self.array)} of {layout.count}")
        if not (self.array.flags.writeable and self.array.dtype.isnative):
            raise ArgumentError("out: expected memory of this machine's byte order that may be written")
        view = self.array if layout.channels_last else self.array.swapaxes(1, 2)
        self.is_planar = layout.is_float or not layout.channels_last
        self._target = view
        if layout.is_float and layout.channels_last:
            self._memory: np.ndarray = np.empty((clips, count, 3, height, width), np.float32)
        elif rows_are_dense(view, self.is_planar):
            self._memory = view
        else:
            self._memory = np.empty(view.shape, view.dtype)

    def frames(self, clip: int) -> Any:
        """The frames of one clip, to be written."""
        return describe_all(self._memory[clip], self.is_planar)

    def finish(self) -> Any:
        """The result, in the layout asked for."""
        if self._memory is not self._target:
            moved = self._memory.shape[2] == 3 and self._target.shape[2] != 3
            self._target[...] = self._memory.transpose(0, 1, 3, 4, 2) if moved else self._memory
        return self.result


def one_frame(value: Any, size: Tuple[int, int], what: str) -> Tuple[np.ndarray, bool]:
    """A frame of a stream, [height, width, 3] or [3, height, width], and whether it is planes of floats;
    with rows that the library takes."""
    given, (height, width) = array(value, what), size
    if not given.dtype.isnative:
        given = given.astype(given.dtype.newbyteorder("="))
    last, first = given.shape == (height, width, 3), given.shape == (3, height, width)
    if not (last or first):
        raise ArgumentError(
            f"{what}: expected [{height}, {width}, 3] or [3, {height}, {width}], "
            f"found {list(given.shape)}")
    if given.dtype not in (np.uint8, np.float32):
        raise ArgumentError(f"{what}: expected uint8 (0 to 255) or float32 (0 to 1), found {given.dtype}")
    if given.dtype == np.float32 and last:
        given = np.ascontiguousarray(given.transpose(2, 0, 1))
    is_planar = given.dtype == np.float32 or not last
    return (given if rows_are_dense(given, is_planar) else np.ascontiguousarray(given)), last


def pointer(frame: c.Frame) -> Any:
    """A frame as an argument."""
    return ctypes.byref(frame)
