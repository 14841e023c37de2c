"""Tiles of the filters: channels of one phase, or of several phases together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...core.typing import NumpyArray
from .tiling import cuts, front

# Of more phases, only the smallest groups of each number of groups are considered.
_MOST_PHASES = 64


@dataclass(frozen=True, eq=False)
class FilterTiles:
    """Every way to cut the filters of one convolution, or of all phases of a layer, into tiles.

    Arrays (N,), in ascending order of `count`.

    Args:
        count: tiles.
        words: of the filters that the buffer holds at a time, per input channel.
        phases: phases of a tile.
        channels: output channels of each of these phases in a tile.
        held_phases, held_channels: those that the buffer holds at a time: all of the tile's, or,
            if loops within the tile go over its filters, fewer.
    """

    count: NumpyArray
    words: NumpyArray
    phases: NumpyArray
    channels: NumpyArray
    held_phases: NumpyArray
    held_channels: NumpyArray

    @classmethod
    def whole(cls, taps: tuple[int, ...], channels: int) -> "FilterTiles":
        """Tiles that the buffer holds as a whole.

        Args:
            taps: of the filters of each phase.
            channels: filters of each phase.
        """
        return cls._of(
            (
                -(-len(taps) // phases) * -(-channels // part),
                most * part,
                phases,
                part,
                phases,
                part,
            )
            for phases, most in _groups(taps)
            for part in cuts(channels).tolist()
        )

    @classmethod
    def parted(cls, taps: tuple[int, ...], channels: int) -> "FilterTiles":
        """Tiles of which the buffer holds a part: all channels, all phases, or all of both."""
        every, most = len(taps), max(taps)
        rows = [(1, most, every, channels, 1, 1)]
        if every > 1:
            rows += [(-(-every // n), words, n, channels, n, 1) for n, words in _groups(taps)]
            parts = cuts(channels).tolist()
            rows += [(-(-channels // part), most * part, every, part, 1, part) for part in parts]
        return cls._of(rows)

    @classmethod
    def _of(cls, rows: Iterable[tuple[int, ...]]) -> "FilterTiles":
        table = np.array(list(rows))
        count, words, phases, channels = table.T[:4]
        table = table[front(count, words, phases * channels, channels)]
        return cls(*table[np.lexsort((table[:, 1], table[:, 0]))].T)

    def chosen(self, words: NumpyArray, limit: NumpyArray, kind: str) -> NumpyArray:
        """Place of the fewest tiles that fit; -1 where none does.

        Args:
            words: per input channel that the buffer may hold, array (K, 1).
            limit: output channels that a tile may have, array (K, N): those of all its phases if
                `kind` is "all", of each phase if it is "each".
            kind: one of these.
        """
        sizes = self.channels * self.phases if kind == "all" else self.channels
        # The first that fits has the fewest tiles; fitting depends on two thresholds alone.
        by_words, by_size = np.unique(self.words), np.unique(sizes)
        table = np.full((len(by_words) + 1, len(by_size) + 1), len(self.count))
        at = np.searchsorted(by_words, self.words) + 1, np.searchsorted(by_size, sizes) + 1
        np.minimum.at(table, at, np.arange(len(self.count)))
        table = np.minimum.accumulate(np.minimum.accumulate(table, axis=0), axis=1)
        table[table == len(self.count)] = -1
        rows = np.searchsorted(by_words, words, side="right")
        return table[rows, np.searchsorted(by_size, limit, side="right")]


def _groups(taps: tuple[int, ...]) -> list[tuple[int, int]]:
    """Phases to a tile, and the taps of the largest tile."""
    sizes = range(1, len(taps) + 1) if len(taps) <= _MOST_PHASES else cuts(len(taps)).tolist()
    starts = ((phases, range(0, len(taps), phases)) for phases in sizes)
    return [(n, max(sum(taps[at : at + n]) for at in first)) for n, first in starts]
