"""The tar stream of ``vtfilter encode``: samples in WebDataset's layout, one a clip.

``KEY.structure.npy``, ``KEY.dynamics_x.npy`` and ``KEY.dynamics_y.npy`` (or ``KEY.dynamics.npy``), float32
or float16, then what else belongs to the clip, then ``KEY.json``, which makes it whole.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import tarfile
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy as np

from ._library import version
from .errors import ArgumentError, FormatError, ModelError
from .latents import NAMES, Latents

Source = Union[str, "os.PathLike[str]", BinaryIO]

# What vtfilter reads at most of one sample.
_MOST_BYTES, _MOST_FILES, _MOST_JSON = 64 << 20, 32, 1 << 20


@dataclass
class Sample:
    """The latents of one clip as they are stored."""

    #: The clip's name, NAME_000000, without dots; a folder before it is a part of it.
    key: str
    #: What is known of it: see docs/PYTHON.md.
    info: Dict[str, Any]
    #: Arrays by name: structure, dynamics_x, dynamics_y or dynamics; with _logvar behind it, log-variances.
    arrays: Dict[str, np.ndarray]
    #: Other files of the same key, by the ending of their names: captions, labels.
    companions: Dict[str, bytes] = field(default_factory=dict)

    def latents(self, model: Any = None, *, force: bool = False) -> Latents:
        """The latents as one clip for ``Model.decode``, float32; parts that are not stored are None.

        ``model`` is the Model that is to decode them: it must be the one that they were encoded with, but
        with ``force``, and it is needed where the stored layout is not "vidtwin".

        Raises ModelError for latents of another model, FormatError for another layout.
        """
        if model is not None and not force:
            for what, mine in (("configSHA256", model.identity.config_sha256),
                               ("checkpointSHA256", model.identity.checkpoint_sha256)):
                if self.info.get(what) != mine:
                    raise ModelError(
                        f"{self.key}: latents of another model: expected {what} {mine[:16]}..., "
                        f"found {str(self.info.get(what))[:16]}...")
        values = {name: a[None].astype(np.float32) for name, a in self.arrays.items()}
        structure = values.get("structure")
        if "dynamics" not in values:
            return Latents(structure, values.get("dynamics_x"), values.get("dynamics_y"))
        if model is None:
            raise FormatError(f"{self.key}.dynamics: expected a model, whose shapes say what is where")
        x, y = model.info.dynamics_x_shape, model.info.dynamics_y_shape
        layout, vector = self.info.get("layout"), values["dynamics"]
        count = int(np.prod(x) + np.prod(y))
        if vector.shape != (1, count):
            raise FormatError(f"{self.key}.dynamics: expected [{count}], found {list(vector.shape[1:])}")
        if layout == "cowvla-2" and x == y:
            return Latents.from_cowvla(vector, x, structure)
        if layout != "cowvla":
            raise FormatError(f"{self.key}.dynamics: expected layout cowvla-2, found {layout!r}")
        # The older order: x whole, then y, each [frames, n, d].
        parts = (vector[:, :int(np.prod(x))], vector[:, int(np.prod(x)):])
        return Latents(structure, *(
            np.ascontiguousarray(part.reshape(1, shape[1], shape[2], shape[0]).transpose(0, 3, 1, 2))
            for part, shape in zip(parts, (x, y))))


def read_latents(source: Source) -> Iterator[Sample]:
    """The samples of a stream that ``vtfilter encode`` or ``write_latents`` wrote, one at a time, in
    constant memory.

    ``source`` is a path, or a file that is open for reading bytes, which stays open; gzip is seen by itself.
    A stream that was cut off gives its whole samples first.

    Raises FormatError for what is no such stream, OSError where it cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield from _samples(file, os.fspath(source))
    else:
        yield from _samples(source, str(getattr(source, "name", "stream")))


def _samples(file: BinaryIO, place: str) -> Iterator[Sample]:
    waiting: "Optional[_Waiting]" = None
    fault: Optional[Exception] = None
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                stem, dot, ending = base.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if not (member.isreg() and dot):
                    continue
                if waiting is not None and waiting.key != key:
                    found, waiting = waiting.sample(), None
                    if found is not None:
                        yield found
                if waiting is None:
                    waiting = _Waiting(key, place)
                try:
                    waiting.read(ending, member.size, archive.extractfile(member))
                except (tarfile.TarError, EOFError, OSError, FormatError):
                    waiting = None if ending == "json" or "json" not in waiting.files else waiting
                    raise
                setattr(archive, "members", [])  # nothing of what was read is kept
    except (tarfile.TarError, EOFError, OSError, FormatError) as error:
        fault = error
    # Its JSON comes last: a sample that has it is whole, whatever comes behind.
    if waiting is not None and (fault is None or "json" in waiting.files):
        found = waiting.sample()
        if found is not None:
            yield found
    if isinstance(fault, FormatError) or isinstance(fault, OSError) and not isinstance(fault, EOFError) \
            and getattr(fault, "errno", None):
        raise fault
    if fault is not None:
        raise FormatError(f"{place}: expected a tar stream of latents, found {fault}") from fault


class _Waiting:
    """A sample whose files are being read."""

    def __init__(self, key: str, place: str):
        self.key, self.place = key, f"{place}: {key}"
        self.files: Dict[str, bytes] = {}
        self.size = 0

    def read(self, ending: str, size: int, file: Any) -> None:
        if ending in self.files:
            raise FormatError(f"{self.place}: expected each file of a sample once, found .{ending} twice")
        self.size += size
        most = _MOST_JSON if ending == "json" else _MOST_BYTES
        if size > most or self.size > _MOST_BYTES or len(self.files) >= _MOST_FILES:
            raise FormatError(
                f"{self.place}.{ending}: expected at most {_MOST_FILES} files and {_MOST_BYTES >> 20} MB a "
                f"sample, JSON of {_MOST_JSON >> 20} MB, found more")
        data = file.read()
        if len(data) != size:
            raise FormatError(f"{self.place}.{ending}: expected {size} bytes, found {len(data)}")
        self.files[ending] = data

    def sample(self) -> Optional[Sample]:
        arrays = {e[:-4]: _read_npy(data, f"{self.place}.{e}") for e, data in self.files.items()
                  if e.endswith(".npy")}
        if not arrays:
            return None
        if "json" not in self.files:
            raise FormatError(f"{self.place}: expected {self.key}.json beside the arrays, found none")
        try:
            info = json.loads(self.files["json"])
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.place}.json: expected JSON, found {error}") from error
        if not isinstance(info, dict):
            raise FormatError(f"{self.place}.json: expected an object, found {type(info).__name__}")
        rest = {e: data for e, data in self.files.items() if e != "json" and not e.endswith(".npy")}
        return Sample(self.key, info, arrays, rest)


def _read_npy(data: bytes, place: str) -> np.ndarray:
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for damaged headers
        raise FormatError(f"{place}: expected an .npy array, found {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype not in (np.float32, np.float16):
        raise FormatError(f"{place}: expected float32 or float16, found {getattr(found, 'dtype', 'others')}")
    return found


def write_latents(
    target: Source, samples: Iterable[Sample], *, dtype: str = "f32"
) -> int:
    """Writes samples as ``vtfilter encode`` does, byte for byte, and gives their number.

    ``target`` is a path, which gets its file when all is written (an existing one is replaced), or a file
    that is open for writing bytes, which stays open. ``dtype`` is "f32" or "f16".

    Raises ArgumentError for a key that cannot be, an array that is not floating point or NaN, OSError.
    """
    kinds: "Dict[str, np.dtype[Any]]" = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}
    if dtype not in kinds:
        raise ArgumentError(f"dtype: expected f32 or f16, found {dtype!r}")
    if not isinstance(target, (str, os.PathLike)):
        return _write(target, samples, kinds[dtype])
    path = os.fspath(target)
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:
            count = _write(file, samples, kinds[dtype])
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return count


def _write(file: BinaryIO, samples: Iterable[Sample], kind: "np.dtype[Any]") -> int:
    count = 0
    for count, sample in enumerate(samples, 1):
        block = b"".join(_header(name, len(data)) + data + bytes(-len(data) % 512)
                         for name, data in _members(sample, kind))
        file.write(block)
    file.write(bytes(1024))
    return count


def _members(sample: Sample, kind: "np.dtype[Any]") -> List[Tuple[str, bytes]]:
    if "." in sample.key.rpartition("/")[2] or not sample.key:
        raise ArgumentError(f"key: expected a name without dots, found {sample.key!r}")
    if not sample.arrays:
        raise ArgumentError(f"{sample.key}: expected arrays, found none")
    text = json.dumps(sample.info, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                      allow_nan=False)
    return [
        *((f"{sample.key}.{name}.npy", _npy(sample.arrays[name], kind, f"{sample.key}.{name}"))
          for name in sorted(sample.arrays)),
        *((f"{sample.key}.{ending}", sample.companions[ending]) for ending in sorted(sample.companions)),
        (f"{sample.key}.json", text.encode()),
    ]


def _npy(array: np.ndarray, kind: "np.dtype[Any]", place: str) -> bytes:
    array = np.asarray(array)
    if array.dtype.kind != "f":
        raise ArgumentError(f"{place}: expected floating point, found {array.dtype}")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, kind)
    # numpy's own writer pads headers differently in each version; this is format 1.0 without slack.
    shape = f"({array.shape[0]},)" if array.ndim == 1 else f"({', '.join(map(str, array.shape))})"
    header = f"{{'descr': '{kind.str}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values.tobytes()


def _header(name: str, size: int) -> bytes:
    encoded = name.encode()
    if len(encoded) > 100:
        raise ArgumentError(f"{name}: expected a name of at most 100 bytes, found {len(encoded)}")
    before = encoded.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 0
    after = b"0".ljust(101, b"\0") + b"ustar\x0000"
    total = sum(before) + 8 * 32 + sum(after)
    return (before + b"%06o\0 " % total + after).ljust(512, b"\0")


_NAME = re.compile(r"[^\w-]")


def clip_samples(
    model: Any, name: str, latents: Latents, *, frames: Optional[int] = None, rate: str = "25",
    stride: Optional[int] = None, first_frame: int = 0, first_clip: int = 0,
    log_variance: Optional[Latents] = None, seed: Optional[int] = None, **known: Any,
) -> Iterator[Sample]:
    """Samples of the clips of one video, for ``write_latents``, as ``vtfilter encode`` makes them of raw
    rgb24 frames.

    ``name`` without dots, ``frames`` how many the clips have together (the last clip may be filled), ``rate``
    frames a second as a whole number or a ratio ("25", "30000/1001"), ``stride`` frames from one clip to the
    next (a whole clip), ``first_frame`` and ``first_clip`` where the first clip is; ``seed`` where latents
    are sampled. ``known`` replaces or adds to what the JSON says (width, height, pixelFormat, fit, ...).

    Raises ArgumentError, and what ``Model.identity`` raises.
    """
    clip = model.info.clip_frames
    step = clip if stride is None else stride
    total = (len(latents) - 1) * step + clip if frames is None else frames
    ratio = re.fullmatch(r"([1-9]\d*)(?:/([1-9]\d*))?", str(rate))
    if not ratio:
        raise ArgumentError(f"rate: expected frames a second as N or N/D, found {rate!r}")
    if not name or "." in name or _NAME.search(name):
        raise ArgumentError(f"name: expected letters, digits, - and _, found {name!r}")
    if not 1 <= step <= 4096 or not (len(latents) - 1) * step < total <= (len(latents) - 1) * step + clip:
        raise ArgumentError(
            f"frames: expected what {len(latents)} clips at every {step} have, found {total}")
    for index in range(len(latents)):
        start = index * step
        valid = min(clip, total - start)
        info: Dict[str, Any] = {
            "checkpointSHA256": model.identity.checkpoint_sha256,
            "configSHA256": model.identity.config_sha256, "colorRange": 0, "colorSpace": 2,
            "firstFrame": first_frame + start, "fit": "crop", "height": model.info.height,
            "lastDuration": 1, "latents": "mean" if seed is None else "sample", "layout": "vidtwin",
            "pixelFormat": "rgb24", "pts": [first_frame + start + t for t in range(valid)],
            "rate": str(rate), "sampleAspect": "0", "stride": step,
            "timeBase": f"{ratio[2] or 1}/{ratio[1]}", "validFrames": valid, "vtfilter": version(),
            "width": model.info.width,
        }
        if seed is not None:
            info["seed"] = seed
        info.update(known)
        arrays = {n: getattr(latents, n)[index] for n in NAMES if getattr(latents, n) is not None}
        if log_variance is not None:
            arrays.update({f"{n}_logvar": getattr(log_variance, n)[index] for n in NAMES
                           if getattr(log_variance, n) is not None})
        yield Sample(f"{name}_{first_clip + index:06d}", info, arrays)

