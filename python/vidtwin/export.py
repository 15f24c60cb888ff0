"""Latents in the files of programs that train on them. Needs pyarrow (``pip install vidtwin[parquet]``)."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import ArgumentError, FormatError
from .samples import Sample

__all__ = ["write_fastvideo", "fastvideo_schema", "frame_vectors", "add_lerobot_feature"]

# Columns of FastVideo's text-to-video files; an array is its bytes, its shape and its type's name.
_FASTVIDEO = (
    [("id", pa.string())]
    + [(f"{name}_{what}", kind) for name in ("vae_latent", "text_embedding") for what, kind in (
        ("bytes", pa.binary()), ("shape", pa.list_(pa.int64())), ("dtype", pa.string()))]
    + [("file_name", pa.string()), ("caption", pa.string()), ("media_type", pa.string()),
       ("width", pa.int64()), ("height", pa.int64()), ("num_frames", pa.int64()),
       ("duration_sec", pa.float64()), ("fps", pa.float64())]
)
_OURS = [(f"{name}_{what}", kind) for name in ("dynamics_x", "dynamics_y") for what, kind in (
    ("bytes", pa.binary()), ("shape", pa.list_(pa.int64())), ("dtype", pa.string()))]


def fastvideo_schema() -> pa.Schema:
    """FastVideo's columns, then those of the dynamics, which it does not know."""
    return pa.schema(_FASTVIDEO + _OURS)


def write_fastvideo(
    path: "str | os.PathLike[str]", samples: Iterable[Sample], *,
    captions: Optional[Mapping[str, str]] = None,
    embed: Optional[Callable[[str], np.ndarray]] = None, rows_per_group: int = 256,
) -> int:
    """Writes clips as rows of a Parquet file with FastVideo's columns, and gives their number.

    ``vae_latent`` is the structure as ``[d, queries, h, w]`` (channels, what takes the place of time, rows,
    columns), float32; the dynamics stand in columns of their own, ``dynamics_x`` ``[d, frames, w]`` and
    ``dynamics_y`` ``[d, frames, h]``. Captions are ``captions[key]``, else the sample's ``txt``, else
    empty; ``embed`` makes a text embedding ``[tokens, width]`` of one, otherwise that is empty.

    Raises FormatError for clips whose dynamics are one vector, ArgumentError, OSError.
    """
    count = 0
    with pq.ParquetWriter(path, fastvideo_schema()) as writer:
        rows: List[Dict[str, Any]] = []
        for count, sample in enumerate(samples, 1):
            rows.append(_row(sample, captions or {}, embed))
            if len(rows) == rows_per_group:
                writer.write_table(pa.Table.from_pylist(rows, fastvideo_schema()))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, fastvideo_schema()))
    return count


def _row(
    sample: Sample, captions: Mapping[str, str], embed: Optional[Callable[[str], np.ndarray]]
) -> Dict[str, Any]:
    latents, info = sample.latents(), sample.info
    if latents.structure is None:
        raise FormatError(f"{sample.key}: expected structure, found {', '.join(sample.arrays)}")
    caption = captions.get(sample.key)
    if caption is None:
        caption = sample.companions.get("txt", b"").decode("utf-8", "replace").strip()
    rate = float(Fraction(info["rate"])) if info.get("rate") else 0.0
    row: Dict[str, Any] = {
        "id": sample.key, "file_name": sample.key, "caption": caption, "media_type": "video",
        "width": info.get("width"), "height": info.get("height"), "num_frames": info.get("validFrames"),
        "fps": rate, "duration_sec": info.get("validFrames", 0) / rate if rate else 0.0,
    }
    # [queries, h, w, d] -> [d, queries, h, w]
    _put(row, "vae_latent", latents.structure[0].transpose(3, 0, 1, 2))
    _put(row, "dynamics_x", None if latents.dynamics_x is None else latents.dynamics_x[0])
    _put(row, "dynamics_y", None if latents.dynamics_y is None else latents.dynamics_y[0])
    _put(row, "text_embedding", None if embed is None else np.asarray(embed(caption), np.float32))
    return row


def _put(row: Dict[str, Any], name: str, value: Optional[np.ndarray]) -> None:
    array = np.zeros(0, np.float32) if value is None else np.ascontiguousarray(value)
    row[f"{name}_bytes"] = array.tobytes()
    row[f"{name}_shape"] = list(array.shape)
    row[f"{name}_dtype"] = str(array.dtype)


def frame_vectors(samples: Iterable[Sample], frames: int, model: Any = None) -> np.ndarray:
    """One vector of dynamics for each frame of a video: ``[frames, 1792]`` float32 for the released model.

    A frame gets the vector of the last clip that begins at it or before it, in the order of
    ``Latents.cowvla``: with ``vtfilter encode --stride 1`` that is the clip that begins there. ``samples``
    are all of one video; ``model`` is needed where they are stored with ``--layout cowvla``.

    Raises FormatError where a frame has no clip, or dynamics are missing; ArgumentError.
    """
    if frames < 1:
        raise ArgumentError(f"frames: expected at least 1, found {frames}")
    starts: Dict[int, np.ndarray] = {}
    for sample in samples:
        if "dynamics" in sample.arrays and sample.info.get("layout") == "cowvla-2":
            vector = sample.arrays["dynamics"].astype(np.float32)
        else:
            vector = sample.latents(model).cowvla()[0]
        starts[sample.info["firstFrame"]] = vector
    if 0 not in starts:
        raise FormatError(f"samples: expected a clip that begins at frame 0, found {sorted(starts)[:3]}")
    every = sorted(starts)
    places = np.searchsorted(every, np.arange(frames), side="right") - 1
    return np.stack([starts[every[place]] for place in places])


def add_lerobot_feature(
    root: "str | os.PathLike[str]", name: str, vectors: Mapping[int, np.ndarray]
) -> Dict[str, Any]:
    """Adds a feature, a vector of floats a frame, to a data set of LeRobot (v2 or v3) in ``root``.

    ``vectors`` maps each episode's index to ``[frames, n]``, as ``frame_vectors`` gives them. Each
    ``data/**/*.parquet`` gets a column ``name``, each is replaced as a whole, then ``meta/info.json`` lists
    the feature, whose entry is returned. What else the data set holds (statistics) stays as it is.

    Raises FormatError for what is no such data set, ArgumentError where episodes or frames do not fit; then
    nothing was changed.
    """
    import glob

    base = os.fspath(root)
    about = os.path.join(base, "meta", "info.json")
    try:
        with open(about, encoding="utf-8") as file:
            info = json.load(file)
        features = info["features"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{about}: expected LeRobot's info.json with features, found {error}") from error
    if name in features:
        raise ArgumentError(f"{name}: expected a new feature, found one of that name")
    widths = {np.asarray(v).shape[1:] for v in vectors.values()}
    if len(widths) != 1 or len(next(iter(widths))) != 1:
        raise ArgumentError(f"vectors: expected [frames, n] with one n, found {sorted(widths)}")
    width = next(iter(widths))[0]
    paths = sorted(glob.glob(os.path.join(glob.escape(base), "data", "**", "*.parquet"), recursive=True))
    if not paths:
        raise FormatError(f"{base}/data: expected Parquet files, found none")
    entry = {"dtype": "float32", "shape": [width], "names": None}
    written: List[str] = []
    try:
        for path in paths:
            table = pq.read_table(path, partitioning=None)
            column = _column(table, path, vectors, width)
            grown = table.append_column(pa.field(name, column.type), column)
            grown = grown.replace_schema_metadata(_metadata(table.schema.metadata, name, width))
            pq.write_table(grown, f"{path}.tmp")
            written.append(path)
        features[name] = entry
        with open(f"{about}.tmp", "w", encoding="utf-8") as file:
            json.dump(info, file, indent=4)
    except BaseException:
        for path in [*paths, about]:
            if os.path.exists(f"{path}.tmp"):
                os.unlink(f"{path}.tmp")
        raise
    for path in [*written, about]:
        os.replace(f"{path}.tmp", path)
    return entry


def _column(
    table: pa.Table, path: str, vectors: Mapping[int, np.ndarray], width: int
) -> pa.FixedSizeListArray:
    for needed in ("episode_index", "frame_index"):
        if needed not in table.column_names:
            raise FormatError(f"{path}: expected a column {needed}, found {table.column_names}")
    episodes = table["episode_index"].to_numpy()
    frames = table["frame_index"].to_numpy()
    rows = np.empty((len(episodes), width), np.float32)
    for episode in np.unique(episodes):
        if int(episode) not in vectors:
            raise ArgumentError(f"vectors: expected episode {episode} of {path}, found none")
        mine = np.asarray(vectors[int(episode)], np.float32)
        chosen = episodes == episode
        if int(frames[chosen].max()) >= len(mine):
            raise ArgumentError(
                f"vectors: expected {int(frames[chosen].max()) + 1} frames of episode {episode}, "
                f"found {len(mine)}")
        rows[chosen] = mine[frames[chosen]]
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), width)


def _metadata(known: Optional[Mapping[bytes, bytes]], name: str, width: int) -> Optional[Dict[bytes, bytes]]:
    """The notes of the file, in which ``datasets`` lists the features too."""
    if not known or b"huggingface" not in known:
        return dict(known) if known else None
    notes = json.loads(known[b"huggingface"])
    listed = notes.get("info", {}).get("features")
    if isinstance(listed, dict):
        listed[name] = {"feature": {"dtype": "float32", "_type": "Value"}, "length": width, "_type": "Sequence"}
    return {**known, b"huggingface": json.dumps(notes).encode()}
