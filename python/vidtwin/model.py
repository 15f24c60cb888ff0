"""A model, and what it computes."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, Union

import numpy as np

from . import _library as c
from . import frames as pixels
from .errors import ArgumentError, StateError
from .frames import Clips, Output
from .latents import NAMES, Latents, Moments

PathLike = Union[str, "os.PathLike[str]"]
Log = Callable[[int, str], None]


@dataclass(frozen=True)
class ModelInfo:
    """What a model is."""

    #: Rows and columns of its frames, in pixels.
    height: int
    width: int
    #: Frames of a clip.
    clip_frames: int
    #: Threads that compute.
    threads: int
    #: What is in use: "f32", "bf16" or "int8".
    precision: str
    #: Number of weights.
    weights: int
    #: Shapes of the latents of one clip: [queries, h, w, d], [d, frames, w], [d, frames, h].
    structure_shape: Tuple[int, int, int, int]
    dynamics_x_shape: Tuple[int, int, int]
    dynamics_y_shape: Tuple[int, int, int]


@dataclass(frozen=True)
class ModelIdentity:
    """What a model's latents are known by: ``configSHA256`` and ``checkpointSHA256`` of their JSON."""

    config_sha256: str
    checkpoint_sha256: str


class Model:
    """A loaded model.

    ``model`` is a folder with ``config.yaml`` and ``model.safetensors`` (or ``model.ckpt``, ``model.pt``),
    or the name of an installed model; None is what VIDTWIN_MODEL names, else the bundled one. Or
    ``checkpoint``, a .safetensors, .ckpt or .pt file, with ``config`` where it carries none.

    ``precision`` is "auto" (bf16 where the CPU has it, else f32), "f32", "bf16" or "int8"; ``threads`` is
    1 to 1024, None for every CPU that the process may use: results do not depend on it. ``copy_weights``
    reads the checkpoint at once, so that a file that becomes shorter meanwhile is an error.
    ``log(level, text)`` takes lines about the model (1: a notice, 2: of use to developers).

    Any number of Python threads may use one model at once; the interpreter's lock is free while it
    computes. A model that was opened before ``os.fork`` computes in the child too. Use it in a ``with``
    statement, or ``close`` it; otherwise its threads end when it is collected.

    Raises ArgumentError, ModelError, OutOfMemoryError.
    """

    def __init__(
        self, model: Optional[PathLike] = None, *, precision: str = "auto",
        threads: Optional[int] = None, config: Optional[PathLike] = None,
        checkpoint: Optional[PathLike] = None, copy_weights: bool = False, log: Optional[Log] = None,
    ):
        self._again = (model, precision, threads, config, checkpoint, copy_weights)
        options = c.ModelOptions()
        c.call_plain("vidtwin_model_options_default", ctypes.byref(options), ctypes.sizeof(options))
        options.model = _path(model, "model")
        options.config = _path(config, "config")
        options.checkpoint = _path(checkpoint, "checkpoint")
        options.precision = _choice(precision, c.PRECISIONS, "precision")
        options.threads = 0 if threads is None else _whole(threads, "threads", 1, 1024)
        options.copy_weights = bool(copy_weights)
        self._log = _callback(log)
        if self._log is not None:
            options.log = self._log
        handle = ctypes.c_void_p()
        self._opening = threading.Lock()
        c.call("vidtwin_model_open", ctypes.byref(handle), ctypes.byref(options))
        self._handle = handle
        self._finalizer = weakref.finalize(self, _close, handle, self._log)
        _models.add(self)
        self._info: Optional[ModelInfo] = None
        self._identity: Optional[ModelIdentity] = None
        self._info = self._read_info()

    # Life

    def close(self) -> None:
        """Gives the model back; what computes at the moment is finished. Closing again does nothing."""
        with self._opening:
            self._finalizer()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._finalizer.alive

    def __enter__(self) -> "Model":
        self._check_open()
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """Opened again from the same files, as in the workers of a data loader that are spawned."""
        return _reopen, self._again

    def __repr__(self) -> str:
        i = self._info
        state = " closed" if self.closed else ""
        return (f"<vidtwin.Model{state}: {i.clip_frames} frames of {i.width}x{i.height}, {i.precision}, "
                f"{i.threads} threads>" if i else "<vidtwin.Model>")

    def _check_open(self) -> None:
        if self.closed:
            raise StateError("model: expected one that is open, found it closed")

    # What it is

    @property
    def info(self) -> ModelInfo:
        """Sizes, shapes of latents, threads, precision. Raises StateError where it is closed."""
        self._check_open()
        assert self._info is not None
        return self._info

    def _read_info(self) -> ModelInfo:
        found = c.ModelInfo(struct_size=ctypes.sizeof(c.ModelInfo))
        c.call_plain("vidtwin_model_get_info", self._handle, ctypes.byref(found))
        return ModelInfo(
            found.height, found.width, found.clip_frames, found.threads, c.PRECISIONS[found.precision],
            found.weights, tuple(found.structure_shape), tuple(found.dynamics_x_shape),
            tuple(found.dynamics_y_shape))

    @property
    def identity(self) -> ModelIdentity:
        """Hashes of its configuration and checkpoint, by which latents of another model are told apart.

        The first time, the checkpoint is read once more. Raises ModelError where its files are not those
        any more that it was opened from, StateError where it is closed.
        """
        self._check_open()
        if self._identity is None:
            found = c.ModelIdentity(struct_size=ctypes.sizeof(c.ModelIdentity))
            with self._session():  # keeps the model alive
                c.call("vidtwin_model_get_identity", self._handle, ctypes.byref(found))
            self._identity = ModelIdentity(
                found.config_sha256.decode(), found.checkpoint_sha256.decode())
        return self._identity

    @property
    def _size(self) -> Tuple[int, int]:
        return self.info.height, self.info.width

    # Clips

    def encode(self, frames: Any, *, sample: bool = False, seed: int = 0) -> Latents:
        """Encodes clips.

        ``frames`` is ``[clips, frames, height, width, 3]`` or ``[clips, 3, frames, height, width]`` of the
        model's size, uint8 (0 to 255) or float32 (0 to 1): a numpy array, a torch tensor on the CPU, or
        anything with DLPack. 1 to ``info.clip_frames`` frames; the last one fills the clip. uint8 is not
        copied, nor float32 with the colours before the frames.

        Gives the means of the latents, or with ``sample`` samples of them, clip after clip from the noise
        that PyTorch's CPU generator gives for ``seed``.

        Raises ArgumentError (shape, type), DataError (NaN or infinity), OutOfMemoryError, StateError.
        """
        clips = Clips(frames, self._size, self.info.clip_frames, "frames")
        latents = self._empty(len(clips))
        with self._session(sample=sample, seed=seed) as session:
            for i in range(len(clips)):
                c.call("vidtwin_session_encode", session, clips.frames(i), clips.count,
                       ctypes.byref(_memory(latents, i)))
        return latents

    def moments(self, frames: Any) -> Moments:
        """The distributions of clips' latents; ``frames`` and errors are those of ``encode``."""
        clips = Clips(frames, self._size, self.info.clip_frames, "frames")
        mean, log_variance = self._empty(len(clips)), self._empty(len(clips))
        with self._session() as session:
            for i in range(len(clips)):
                c.call("vidtwin_session_moments", session, clips.frames(i), clips.count,
                       ctypes.byref(_memory(mean, i)), ctypes.byref(_memory(log_variance, i)))
        return Moments(mean, log_variance)

    def decode(
        self, latents: Latents, *, part: str = "all", frames: Optional[int] = None, dtype: Any = np.uint8,
        channels_last: bool = True, out: Any = None,
    ) -> Any:
        """Decodes clips.

        ``part`` says which latents are looked at: "all", "structure" (what stays) or "dynamics" (what
        moves); others may be None. ``frames`` is how many of a clip's first frames are wanted, all by
        default.

        Gives ``[clips, frames, height, width, 3]``, or without ``channels_last``
        ``[clips, 3, frames, height, width]``: uint8, or float32 from 0 to 1. ``out`` takes the result
        instead, in its own layout and type: a numpy array, or a torch tensor on the CPU.

        Raises ArgumentError (shape, type), DataError (NaN or infinity), OutOfMemoryError, StateError.
        """
        limit = self.info.clip_frames
        count = limit if frames is None else _whole(frames, "frames", 1, limit)
        which = _choice(part, c.PARTS, "part")
        given = self._checked(latents, which)
        output = Output(len(given), count, self._size, dtype, channels_last, out)
        with self._session(part=which) as session:
            for i in range(len(given)):
                c.call("vidtwin_session_decode", session, ctypes.byref(_memory(given, i)),
                       output.frames(i), count)
        return output.finish()

    def reenact(
        self, structure: Any, dynamics: Any, *, part: str = "all", sample: bool = False, seed: int = 0,
        dtype: Any = np.uint8, channels_last: bool = True, out: Any = None,
    ) -> Any:
        """Cross-reenactment: the structure of some clips moves as others do.

        Each of the two is clips as ``encode`` takes them, or Latents, as many as the other. Gives frames
        as ``decode`` does, as many a clip as the shorter of the two has. Errors are those of ``encode``.
        """
        which = _choice(part, c.PARTS, "part")
        if isinstance(structure, Latents) or isinstance(dynamics, Latents):
            a, b = (x if isinstance(x, Latents) else self.encode(x, sample=sample, seed=seed)
                    for x in (structure, dynamics))
            counts = [pixels.ClipLayout(pixels.array(x, "frames").shape, np.uint8, self._size, "frames").count
                      for x in (structure, dynamics) if not isinstance(x, Latents)]
            return self.decode(
                a.moving_as(b), part=part, frames=min(counts) if counts else None, dtype=dtype,
                channels_last=channels_last, out=out)
        limit = self.info.clip_frames
        first = Clips(structure, self._size, limit, "structure")
        second = Clips(dynamics, self._size, limit, "dynamics")
        if len(first) != len(second):
            raise ArgumentError(
                f"dynamics: expected as many clips as structure, {len(first)}, found {len(second)}")
        output = Output(
            len(first), min(first.count, second.count), self._size, dtype, channels_last, out)
        with self._session(part=which, sample=sample, seed=seed) as session:
            for i in range(len(first)):
                c.call("vidtwin_session_cross", session, first.frames(i), first.count, second.frames(i),
                       second.count, output.frames(i))
        return output.finish()

    # Streams

    def reconstruct(
        self, frames: Iterable[Any], *, part: str = "all", overlap: int = 0, sample: bool = False,
        seed: int = 0,
    ) -> Iterator[np.ndarray]:
        """Encodes and decodes a stream: a generator of as many frames as come, each as the one sent.

        A frame is ``[height, width, 3]`` or ``[3, height, width]`` of the model's size, uint8 (0 to 255) or
        float32 (0 to 1); clips come out as soon as they are full, so that memory does not grow with the
        stream. ``overlap`` is how many frames clips share and cross-fade, 0 to ``info.clip_frames - 1``.

        Raises ArgumentError (also where a stream goes on with another type), DataError, OutOfMemoryError,
        StateError; at the first ``next``, like any generator.
        """
        options = {
            "part": _choice(part, c.PARTS, "part"), "sample": sample, "seed": seed,
            "overlap": _whole(overlap, "overlap", 0, self.info.clip_frames - 1)}
        return self._reconstruct(frames, options)

    def _reconstruct(self, frames: Iterable[Any], options: Any) -> Iterator[np.ndarray]:
        size = self._size
        kinds: List[Tuple[bool, Any]] = []  # of the frames that wait: whether colours are last, type
        with self._session(**options) as session:
            def ready() -> Iterator[np.ndarray]:
                while kinds:
                    last, dtype = kinds[0]
                    planar = dtype == np.float32 or not last
                    shape = (3, *size) if planar else (*size, 3)
                    frame = np.empty(shape, dtype)
                    status = c.call(
                        "vidtwin_session_receive", session, pixels.pointer(pixels.describe(frame, planar)))
                    if status != c.OK:
                        return
                    kinds.pop(0)
                    yield frame.transpose(1, 2, 0) if planar and last else frame

            for number, given in enumerate(frames):
                frame, last = pixels.one_frame(given, size, f"frame {number}")
                described = pixels.describe(frame, frame.shape[0] == 3 and frame.shape != (*size, 3))
                c.call("vidtwin_session_send", session, pixels.pointer(described))
                kinds.append((last, frame.dtype))
                yield from ready()
            c.call("vidtwin_session_flush", session)
            yield from ready()

    # Below

    def _session(self, part: int = 0, overlap: int = 0, sample: bool = False, seed: int = 0) -> "_Session":
        options = c.SessionOptions()
        c.call_plain("vidtwin_session_options_default", ctypes.byref(options), ctypes.sizeof(options))
        options.part, options.overlap, options.sample = part, overlap, bool(sample)
        options.seed = _whole(seed, "seed", 0, 2**64 - 1)
        handle = ctypes.c_void_p()
        with self._opening:  # nobody closes the model meanwhile; the session keeps it then
            self._check_open()
            c.call("vidtwin_session_open", ctypes.byref(handle), self._handle, ctypes.byref(options))
        return _Session(handle)

    def _empty(self, clips: int) -> Latents:
        i = self.info
        return Latents(*(np.empty((clips, *shape), np.float32) for shape in (
            i.structure_shape, i.dynamics_x_shape, i.dynamics_y_shape)))

    def _checked(self, latents: Latents, part: int) -> Latents:
        if not isinstance(latents, Latents):
            raise ArgumentError(f"latents: expected vidtwin.Latents, found {type(latents).__name__}")
        i, found = self.info, {}
        wanted = {0: NAMES, 1: NAMES[:1], 2: NAMES[1:]}[part]
        clips: Optional[int] = None
        for name in wanted:
            value, shape = getattr(latents, name), getattr(i, f"{name}_shape")
            if value is None:
                raise ArgumentError(f"latents.{name}: expected [clips, {_sizes(shape)}], found None")
            given = pixels.array(value, f"latents.{name}")
            if given.ndim != len(shape) + 1 or tuple(given.shape[1:]) != shape:
                raise ArgumentError(
                    f"latents.{name}: expected [clips, {_sizes(shape)}], found {list(given.shape)}")
            if clips is not None and len(given) != clips:
                raise ArgumentError(
                    f"latents.{name}: expected {clips} clips as before, found {len(given)}")
            if given.dtype not in (np.float32, np.float16):
                raise ArgumentError(f"latents.{name}: expected float32 or float16, found {given.dtype}")
            clips, found[name] = len(given), np.ascontiguousarray(given, np.float32)
        return Latents(**found)


class _Session:
    """A handle, closed at the end of a ``with`` statement."""

    def __init__(self, handle: ctypes.c_void_p):
        self._handle = handle

    def __enter__(self) -> ctypes.c_void_p:
        return self._handle

    def __exit__(self, *error: Any) -> None:
        c.library().vidtwin_session_close(ctypes.byref(self._handle))


def _memory(latents: Latents, clip: int) -> c.LatentArrays:
    found = c.LatentArrays()
    for name in NAMES:
        value = getattr(latents, name)
        if value is not None:
            setattr(found, name, value[clip].ctypes.data)
            setattr(found, f"{name}_count", value[clip].size)
    return found


def _close(handle: ctypes.c_void_p, log: Any) -> None:
    c.library().vidtwin_model_close(ctypes.byref(handle))


def _reopen(model: Any, precision: str, threads: Any, config: Any, checkpoint: Any, copied: bool) -> Model:
    return Model(model, precision=precision, threads=threads, config=config, checkpoint=checkpoint,
                 copy_weights=copied)


def _path(value: Optional[PathLike], what: str) -> Optional[bytes]:
    if value is None:
        return None
    try:
        return os.fsencode(value)
    except TypeError as error:
        raise ArgumentError(f"{what}: expected a path or a name, found {value!r}") from error


def _choice(value: str, choices: Tuple[str, ...], what: str) -> int:
    if value not in choices:
        raise ArgumentError(f"{what}: expected {', '.join(choices)}, found {value!r}")
    return choices.index(value)


def _whole(value: Any, what: str, least: int, most: int) -> int:
    try:
        number = value.__index__()
    except AttributeError:
        number = None
    if number is None or not least <= number <= most:
        raise ArgumentError(f"{what}: expected a whole number of {least} to {most}, found {value!r}")
    return int(number)


def _sizes(shape: Tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _callback(log: Optional[Log]) -> Any:
    if log is None:
        return None

    def line(user: Any, level: int, text: bytes) -> None:
        log(level, text.decode("utf-8", "replace"))

    return c.LogCallback(line)


_models: "weakref.WeakSet[Model]" = weakref.WeakSet()


def _after_fork() -> None:
    # Another thread may have held a model's lock, which nobody would give back here.
    for model in list(_models):
        model._opening = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
