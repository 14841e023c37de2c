"""Tiles of the output map: pairs of tilings of its rows and of its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.typing import NumpyArray
from .tiling import Tilings, front


@dataclass(frozen=True, eq=False)
class MapTiles:
    """Tilings of the map, and where their loops are; arrays (N,).

    Args:
        height, width: places in the axes' `Tilings`.
        outside: bit 1: the loop over rows is outside that over the input channels; bit 2: the loop
            over columns is.
        slides: the axis along which windows slide: 0, 1, or -1 for none.
        window: input words of a channel, of the largest tile.
        fetched: input words of a channel, of all tiles.
        count: tiles of the map.
        repeats: tiles of the map outside the loop over input channels.
        pixels: whose sums are kept at a time.
    """

    height: NumpyArray
    width: NumpyArray
    outside: NumpyArray
    slides: NumpyArray
    window: NumpyArray
    fetched: NumpyArray
    count: NumpyArray
    repeats: NumpyArray
    pixels: NumpyArray

    def at(self, places: NumpyArray) -> "MapTiles":
        """Those at some places."""
        return MapTiles(*(column[places] for column in vars(self).values()))


def map_tiles(
    sides: tuple[Tilings, Tilings],
    outputs: tuple[int, int],
    places: Iterable[int] | None,
    criteria: Sequence[str],
) -> MapTiles:
    """The tilings of a map that none beats in all of some criteria, the smallest windows first.

    Args:
        sides: tilings of rows and columns.
        outputs: rows and columns.
        places: values of `MapTiles.outside` to consider; None if all input channels are in a tile,
            so that only a tile's sums are kept.
        criteria: columns of `MapTiles`, less of which is better.
    """
    h, w = (part.ravel() for part in np.indices([len(side.size) for side in sides]))
    (rows, columns), parts = sides, []
    for outside in [0] if places is None else places:
        above, beside = outside & 1, outside & 2
        apart = rows.apart[h] * columns.apart[w]
        down = apart if above else rows.sliding[h] * columns.apart[w]
        along = apart if beside else rows.apart[h] * columns.sliding[w]
        fetched = np.minimum(np.minimum(down, along), apart)
        tall = rows.size[h] if above or places is None else outputs[0]
        wide = columns.size[w] if beside or places is None else outputs[1]
        parts.append(
            MapTiles(
                h,
                w,
                np.full_like(h, outside),
                np.where(fetched == apart, -1, np.where(down <= along, 0, 1)),
                rows.window[h] * columns.window[w],
                fetched,
                rows.count[h] * columns.count[w],
                (rows.count[h] if above else 1) * (columns.count[w] if beside else np.ones_like(w)),
                tall * wide * np.ones_like(h),
            )
        )
    joined = zip(*(vars(part).values() for part in parts), strict=True)
    table = MapTiles(*map(np.concatenate, joined))
    table = table.at(front(*(getattr(table, name) for name in criteria)))
    return table.at(np.argsort(table.window, kind="stable"))
