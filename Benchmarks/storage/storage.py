#!/usr/bin/env python3
"""How fast latents are read from where people keep them: the same clips, each format its own way.

    storage.py LATENTS.tar FOLDER [--clips 2000] [--rounds 3]

LATENTS.tar (`vtfilter encode`) gives the shapes and the JSON; the numbers are random, so that nothing is
smaller than real latents are. Every reader gives all arrays of every clip as numpy arrays (torch tensors
where it says so) and is held to the sum of their numbers. Prints a table, the fastest round of each; files
are in the page cache.
"""
import argparse
import importlib.metadata as metadata
import io
import json
import os
import platform
import sys
import tarfile
import time
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("latents")
parser.add_argument("folder", type=Path)
parser.add_argument("--clips", type=int, default=2000)
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()
folder, count = options.folder, options.clips
folder.mkdir(parents=True, exist_ok=True)


def samples(path):
    """(key, {ending: bytes}) of a tar, read once from its start to its end."""
    key, files = None, {}
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            found, ending = member.name.split(".", 1)
            if found != key and files:
                yield key, files
                files = {}
            key = found
            files[ending] = archive.extractfile(member).read()
    if files:
        yield key, files


_, first = next(samples(options.latents))
names = sorted(ending[:-4] for ending in first if ending.endswith(".npy"))
shapes = {name: np.load(io.BytesIO(first[name + ".npy"])).shape for name in names}
generator = np.random.default_rng(7)
clips = [{n: generator.standard_normal(shapes[n], np.float32) for n in names} for _ in range(count)]
expected = float(sum(np.sum(c[n], dtype=np.float64) for c in clips for n in names))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# --- written once -----------------------------------------------------------------------------------------
tars = [str(folder / f"shard-{i:06}.tar") for i in range((count + 999) // 1000)]
for i, path in enumerate(tars):
    with tarfile.open(path, "w") as out:
        for j in range(1000 * i, min(1000 * (i + 1), count)):
            for ending, data in [(f"{n}.npy", npy(clips[j][n])) for n in names] + [("json", first["json"])]:
                member = tarfile.TarInfo(f"video{j // 8:05}_{j % 8:06}.{ending}")
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
for n in names:
    np.save(folder / f"{n}.npy", np.stack([c[n] for c in clips]))

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table({"key": [f"video{j // 8:05}_{j % 8:06}" for j in range(count)]} | {
    n: pa.array([c[n].tobytes() for c in clips], pa.binary()) for n in names})
pq.write_table(table, folder / "latents.parquet", row_group_size=200)


# --- read -------------------------------------------------------------------------------------------------
def by_tarfile():
    for path in tars:
        for _, files in samples(path):
            yield [np.load(io.BytesIO(files[n + ".npy"])) for n in names]


def by_view():
    """As by_tarfile, but the header of the .npy is looked at once: all have one."""
    start = len(first[names[0] + ".npy"]) - 4 * int(np.prod(shapes[names[0]]))
    for path in tars:
        for _, files in samples(path):
            yield [np.frombuffer(files[n + ".npy"], "<f4", offset=start).reshape(shapes[n]) for n in names]


def by_vidtwin():
    import vidtwin
    for path in tars:
        for sample in vidtwin.read_latents(path):
            yield [sample.arrays[n] if hasattr(sample, "arrays") else getattr(sample, n) for n in names]


def by_webdataset():
    import webdataset
    for sample in webdataset.WebDataset(tars, shardshuffle=False).decode():
        yield [sample[n + ".npy"] for n in names]


def by_loader(workers):
    import torch
    import webdataset
    data = webdataset.WebDataset(tars, shardshuffle=False).decode().map(
        lambda s: [torch.from_numpy(s[n + ".npy"]) for n in names])
    for batch in torch.utils.data.DataLoader(data, batch_size=50, num_workers=workers):
        for i in range(len(batch[0])):
            yield [array[i] for array in batch]


def by_memory_map():
    arrays = [np.load(folder / f"{n}.npy", mmap_mode="r") for n in names]
    for j in np.random.default_rng(1).permutation(count):
        yield [array[j] for array in arrays]


def by_parquet():
    for batch in pq.ParquetFile(folder / "latents.parquet").iter_batches(200, columns=names):
        columns = [batch.column(n) for n in names]
        for j in range(len(batch)):
            yield [np.frombuffer(c[j].as_buffer(), np.float32).reshape(shapes[n]) for c, n in zip(columns, names)]


def by_datasets_stream():
    import datasets
    for row in datasets.load_dataset(
            "parquet", data_files=str(folder / "latents.parquet"), split="train", streaming=True):
        yield [np.frombuffer(row[n], np.float32).reshape(shapes[n]) for n in names]


def arrow(form, fixed=True):
    """`datasets` as Arrow: with the arrays' shapes as features, or as lists of lists, which it makes of arrays
    where nobody says more."""
    import datasets
    features = datasets.Features({
        n: datasets.Array4D(shapes[n], "float32") if len(shapes[n]) == 4 else datasets.Array3D(shapes[n], "float32")
        for n in names})
    path = folder / ("arrow" if fixed else "lists")
    if not path.exists():
        datasets.disable_progress_bars()
        datasets.Dataset.from_generator(
            lambda: iter(clips), features=features if fixed else None,
            cache_dir=str(folder / f"cache-{path.name}")).save_to_disk(path)
    found = datasets.load_from_disk(str(path)).with_format(form)

    def read():
        for row in found:
            yield [row[n] for n in names]
    return read


ways = [
    ("arrays of all clips, `.npy`, memory map, any order", by_memory_map),
    ("Parquet, bytes, `pyarrow`", by_parquet),
    ("tar, `tarfile`, one header for all", by_view),
    ("tar, `vidtwin.read_latents`", by_vidtwin),
    ("tar, `tarfile` and `numpy.load`", by_tarfile),
    ("tar, `webdataset`", by_webdataset),
    ("tar, `webdataset`, torch `DataLoader`, batches of 50, in this process", lambda: by_loader(0)),
    ("tar, `webdataset`, torch `DataLoader`, batches of 50, 2 workers", lambda: by_loader(2)),
    ("Parquet, bytes, `datasets` streaming", by_datasets_stream),
    ("Arrow, array features, `datasets` as numpy", lambda: arrow("numpy")()),
    ("Arrow, array features, `datasets` as torch", lambda: arrow("torch")()),
    ("Arrow, lists of lists, `datasets` as torch", lambda: arrow("torch", fixed=False)()),
]
rows = []
for name, way in ways:
    best = None
    try:
        for _ in range(options.rounds):
            start = time.perf_counter()
            total, seen = 0.0, 0
            for arrays in way():
                total += sum(float(a.sum()) for a in arrays)
                seen += 1
            seconds = time.perf_counter() - start
            assert seen == count and abs(total - expected) < 1, (name, seen, total, expected)
            best = min(best or seconds, seconds)
            if best > 20:
                break
    except ImportError as error:
        print(f"{name}: not measured ({error})", file=sys.stderr)
        continue
    rows.append((count / best, name))

versions = []
for package in ("numpy", "pyarrow", "webdataset", "torch", "datasets"):
    try:
        versions.append(f"{package} {metadata.version(package)}")
    except metadata.PackageNotFoundError:
        pass
size = 4 * sum(int(np.prod(shape)) for shape in shapes.values())
print(f"{count} clips of {size:,} bytes (float32), {os.cpu_count()} CPUs ({platform.machine()}), Python "
      f"{platform.python_version()}, {', '.join(versions)}; `make bench-storage`\n")
print("| from | clips/s | MB/s |\n| --- | --- | --- |")
for rate, name in sorted(rows, reverse=True):
    print(f"| {name} | {rate:,.0f} | {rate * size / 1e6:,.0f} |")
