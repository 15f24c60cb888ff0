"""Latents for torch's data loaders. Needs torch."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

import torch
from torch.utils.data import IterableDataset, get_worker_info

from .errors import ArgumentError
from .samples import Sample, read_latents

__all__ = ["LatentDataset"]


class LatentDataset(IterableDataset):  # type: ignore[type-arg]
    """The clips of tars of latents, in their order: a dataset for ``torch.utils.data.DataLoader``.

    ``paths`` is one tar or several. A clip is a dictionary: ``key``, each stored array by its name as a
    tensor (float32, or float16 where it is stored so), ``first_frame`` and ``valid_frames``, and with
    ``info`` all of its JSON as text. ``transform`` gets that dictionary and gives what is to be returned.

    The workers of a loader, and the processes of ``torch.distributed`` where it is initialised, share the
    tars; where there are fewer tars than workers, each reads all of them and takes every n-th clip. A clip
    is given exactly once over all workers, in each epoch. Shuffle the paths, and use a loader's or
    WebDataset's buffer for clips: a stream has no random access.

    Raises ArgumentError for no path, FormatError and OSError while it is read.
    """

    def __init__(
        self, paths: Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]], *,
        info: bool = False, transform: Optional[Callable[[Dict[str, Any]], Any]] = None,
    ):
        super().__init__()
        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        self.paths: List[str] = [os.fspath(path) for path in given]
        if not self.paths:
            raise ArgumentError("paths: expected at least one tar of latents, found none")
        self.info, self.transform = info, transform

    def __iter__(self) -> Iterator[Any]:
        part, parts = _place()
        by_tar = len(self.paths) >= parts
        number = 0
        for path in self.paths[part::parts] if by_tar else self.paths:
            for sample in read_latents(path):
                if by_tar or number % parts == part:
                    found = self._item(sample)
                    yield found if self.transform is None else self.transform(found)
                number += 1

    def _item(self, sample: Sample) -> Dict[str, Any]:
        found: Dict[str, Any] = {"key": sample.key}
        for name, array in sample.arrays.items():
            # The array's memory is the reader's bytes, which nobody may write.
            found[name] = torch.from_numpy(array if array.flags.writeable else array.copy())
        found["first_frame"] = sample.info.get("firstFrame", 0)
        found["valid_frames"] = sample.info.get("validFrames", 0)
        if self.info:
            found["info"] = json.dumps(sample.info, sort_keys=True)
        return found


def _place() -> "tuple[int, int]":
    """Which of how many readers this is."""
    rank, ranks = 0, 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    worker = get_worker_info()
    if worker is None:
        return rank, ranks
    return rank * worker.num_workers + worker.id, ranks * worker.num_workers
