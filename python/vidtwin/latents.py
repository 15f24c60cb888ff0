"""Latents as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Optional, Sequence, Tuple, Union

import numpy as np

from .errors import ArgumentError
from .frames import array

NAMES = ("structure", "dynamics_x", "dynamics_y")


@dataclass(frozen=True)
class Latents:
    """The latents of clips, float32; h, w is the model's grid and d the channels of each.

    - ``structure``: what stays, ``[clips, queries, h, w, d]``
    - ``dynamics_x``: what moves, along columns, ``[clips, d, frames, w]``
    - ``dynamics_y``: what moves, along rows, ``[clips, d, frames, h]``

    Parts that were left out are None. ``len`` is the number of clips, an index or a slice takes clips
    (always with the axis of clips), and iterating gives them one by one.
    """

    structure: Optional[np.ndarray] = None
    dynamics_x: Optional[np.ndarray] = None
    dynamics_y: Optional[np.ndarray] = None

    def _arrays(self) -> "list[np.ndarray]":
        return [a for a in (self.structure, self.dynamics_x, self.dynamics_y) if a is not None]

    def __len__(self) -> int:
        arrays = self._arrays()
        return len(arrays[0]) if arrays else 0

    def __getitem__(self, clips: Union[int, slice]) -> "Latents":
        if not isinstance(clips, slice):
            index = range(len(self))[clips]
            clips = slice(index, index + 1)
        return Latents(*(None if a is None else a[clips]
                         for a in (self.structure, self.dynamics_x, self.dynamics_y)))

    def __iter__(self) -> "Iterator[Latents]":
        return (self[i] for i in range(len(self)))

    def moving_as(self, other: "Latents") -> "Latents":
        """This structure with the dynamics of others: cross-reenactment."""
        return Latents(self.structure, other.dynamics_x, other.dynamics_y)

    def cowvla(self) -> np.ndarray:
        """The dynamics as vectors ``[clips, frames * n * 2 * d]``, as ``vtfilter encode --layout cowvla``
        writes them: for each frame and position x's channels, then y's.

        Raises ArgumentError where the grid is not square (n is rows and columns).
        """
        x, y = _both(self)
        if x.shape != y.shape:
            raise ArgumentError(
                f"cowvla: expected as many columns as rows, found {list(x.shape)} and {list(y.shape)}")
        # [clips, 2 d, frames, n] -> [clips, frames, n, 2 d]
        return np.ascontiguousarray(
            np.concatenate([x, y], axis=1).transpose(0, 2, 3, 1)).reshape(len(x), -1)

    @staticmethod
    def from_cowvla(
        vectors: Any, shape: Sequence[int], structure: Optional[np.ndarray] = None
    ) -> "Latents":
        """What ``cowvla`` gave, apart again; ``shape`` is ``info.dynamics_x_shape``, [d, frames, n].

        Raises ArgumentError where the vectors have another size.
        """
        given, (d, frames, n) = array(vectors, "vectors"), shape
        if given.ndim != 2 or given.shape[1] != frames * n * 2 * d:
            raise ArgumentError(
                f"vectors: expected [clips, {frames * n * 2 * d}], found {list(given.shape)}")
        both = given.reshape(len(given), frames, n, 2 * d).transpose(0, 3, 1, 2)
        return Latents(structure, np.ascontiguousarray(both[:, :d]), np.ascontiguousarray(both[:, d:]))

    @staticmethod
    def concatenate(parts: "Iterable[Latents]") -> "Latents":
        """The clips of all in one; a part that any of them lacks is None.

        Raises ArgumentError where there are none.
        """
        every = list(parts)
        if not every:
            raise ArgumentError("parts: expected latents, found none")
        columns = [[getattr(one, name) for one in every] for name in NAMES]
        return Latents(*(None if any(v is None for v in column) else np.concatenate(column)
                         for column in columns))

    def torch(self) -> "dict[str, Any]":
        """The arrays as torch tensors over the same memory, by name."""
        import torch

        return {name: torch.from_numpy(getattr(self, name)) for name in NAMES
                if getattr(self, name) is not None}


def _both(latents: Latents) -> Tuple[np.ndarray, np.ndarray]:
    if latents.dynamics_x is None or latents.dynamics_y is None:
        raise ArgumentError("latents: expected dynamics_x and dynamics_y, found none")
    return latents.dynamics_x, latents.dynamics_y


@dataclass(frozen=True)
class Moments:
    """The distributions of clips' latents: ``mean``, and ``log_variance`` between -30 and 20."""

    mean: Latents
    log_variance: Latents
