"""The loop nests that a convolution can run in, and what each moves from and to DRAM.

A tile is a block of output rows and columns, of input channels and of filters, for some images. The
buffers hold one tile's inputs and filters. Tiles follow one another in nested loops; what the next
tile needs as well is not fetched again, so each operand is fetched as often as the loops require
that lie outside the innermost one that moves it, and a tile that moves along its rows (or columns)
keeps the part of its window that they share.

With ``I`` the fetched inputs of an image (tiles apart, or sliding along one axis), ``W`` the
filters, ``O`` the outputs, ``n`` the tiles of an axis, ``f`` those of the filters, ``c`` those of
the input channels, and ``p`` parts of the filters (phases, or channels of all phases), the nest
that moves least is always one of these; all others move as much, or need more room:

=======================  =======  =================================  ===========================
loops, outermost first   input    filters                            sums kept
=======================  =======  =================================  ===========================
filters, images, map     ``f*I``  ``W``                              in the array
images, map, filters     ``I``    ``n_h*n_w*W`` a group              in the array
A, filters, c, B         ``f*I``  ``W`` a group and tile of A        of B and one tile
A, p, c, B, filters      ``p*I``  ``n_h*n_w*W`` a group              of B and ``1/p`` of the filters
c, one of the first two  same     same                               none: ``2*(c - 1)*O`` go to
                                                                     DRAM and back
=======================  =======  =================================  ===========================

Rows and columns are each in A, outside the loop over input channels, or in B, inside it; only what
is in B slides. In the first two nests all input channels are in a tile. Images run in groups, so
that a batch may be split. What goes to DRAM and back counts at the width of a sum.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...core.typing import NumpyArray
from .filters import FilterTiles
from .map_tiles import MapTiles, map_tiles
from .room import Room
from .shape import Shape
from .tiling import cuts, tilings


class Moves(NamedTuple):
    """What nests move, in words, and their tiles; arrays (K, N).

    Args:
        inputs: words fetched for an image; infinite if the nest does not fit.
        filters: words fetched for a group of images, or for all if there are no groups.
        spilled: words of sums moved to DRAM and back for an image.
        visits: how often the sums return to the array from the output buffer or from DRAM.
        place: of the filters' tiles.
        chunk: input channels of a tile.
    """

    inputs: NumpyArray
    filters: NumpyArray
    spilled: NumpyArray
    visits: NumpyArray
    place: NumpyArray
    chunk: NumpyArray


class Nests:
    """All nests of one shape.

    Args:
        shape: the convolution.
    """

    def __init__(self, shape: Shape) -> None:
        rows, columns = shape.pieces or (None, None)
        self.shape = shape
        self.sides = tilings(shape.height, rows), tilings(shape.width, columns)
        #: Tiles of the input channels, at the most; pieces of filters count like channels.
        self.reductions = shape.c_in
        taps = shape.taps
        if shape.pieces:
            self.reductions *= -(-shape.height.taps // shape.pieces[0])
            self.reductions *= -(-shape.width.taps // shape.pieces[1])
            taps = (shape.pieces[0] * shape.pieces[1],)
        self.filters = FilterTiles.whole(taps, shape.c_out)
        self.parts = FilterTiles.parted(taps, shape.c_out)
        self.taps = max(taps)
        self._map_tiles: dict[tuple[object, ...], MapTiles] = {}

    def map_tiles(self, places: tuple[int, ...] | None, *criteria: str) -> MapTiles:
        """As `splitdeconv.dlp.traffic.map_tiles.map_tiles`, of the shape's map."""
        key = (places, *criteria)
        if key not in self._map_tiles:
            outputs = self.shape.height.outputs, self.shape.width.outputs
            columns = ("window", "fetched", "pixels", *criteria)
            self._map_tiles[key] = map_tiles(self.sides, outputs, places, columns)
        return self._map_tiles[key]


class Order:
    """An order of the loops.

    Args:
        nests: of the convolution.
        chunk: input channels of a tile, if the order needs to know it.
    """

    #: The loops, outermost first; of the map, those outside the channels' and those inside.
    loops: tuple[str, ...]
    #: Whether images are run in groups, and whether a tile holds a whole group.
    grouped, holds_group = True, False
    tiles: MapTiles

    def __init__(self, nests: Nests, chunk: int = 1) -> None:
        self.nests, self.shape, self.chunk = nests, nests.shape, chunk
        self.filters = nests.filters

    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """What the nests move.

        Args:
            tiles: N of the order's, of the map.
            room: of K processors.
            group: images in a tile, or that share their filters.
        """
        raise NotImplementedError

    def _fitting(self, room: Room, window: NumpyArray, place: NumpyArray) -> NumpyArray:
        """0 where a nest fits, else infinity."""
        return np.where((window <= room.inputs) & (place >= 0), 0.0, np.inf)


class FiltersOutside(Order):
    """A tile of filters for the whole map of all images, then the next."""

    loops = ("channels", "filters", "images", "map")
    grouped = False

    def __init__(self, nests: Nests, chunk: int) -> None:
        super().__init__(nests, chunk)
        self.tiles = nests.map_tiles(None)

    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """As `Order.moves`."""
        shape, chunk = self.shape, self.chunk
        limit = room.channels_within(tiles.pixels, self.nests.taps * chunk)
        place = self.filters.chosen(room.filters // chunk, limit, "each")
        fits = self._fitting(room, tiles.window * chunk, place)
        passes = self.filters.counts(place)
        parts = -(-self.nests.reductions // chunk)
        spilled = 2.0 * (parts - 1) * shape.outputs * room.sum_words
        return Moves(
            fits + tiles.fetched * shape.c_in * passes,
            fits + shape.filters,
            fits + spilled,
            np.full_like(fits, parts - 1),
            place,
            np.full_like(fits, chunk),
        )


class MapOutside(Order):
    """A tile of the map, of some images, for all filters, then the next."""

    loops = ("channels", "groups", "map", "filters")
    holds_group = True

    def __init__(self, nests: Nests, chunk: int) -> None:
        super().__init__(nests, chunk)
        self.tiles = nests.map_tiles(None, "count")

    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """As `Order.moves`."""
        shape, chunk = self.shape, self.chunk
        limit = room.channels_within(tiles.pixels * group, self.nests.taps * chunk)
        place = self.filters.chosen(room.filters // chunk, limit, "each")
        fits = self._fitting(room, tiles.window * chunk * group, place)
        parts = -(-self.nests.reductions // chunk)
        spilled = 2.0 * (parts - 1) * shape.outputs * room.sum_words
        return Moves(
            fits + tiles.fetched * shape.c_in,
            fits + shape.filters * tiles.count,
            fits + spilled,
            np.full_like(fits, parts - 1),
            place,
            np.full_like(fits, chunk),
        )


class FiltersKept(Order):
    """Sums are kept while the input channels change; for each, filters stay for part of the map."""

    loops = ("groups", "outer map", "filters", "channels", "images", "inner map")

    def __init__(self, nests: Nests) -> None:
        super().__init__(nests)
        self.tiles = nests.map_tiles((0, 1, 2, 3), "repeats")

    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """As `Order.moves`."""
        shape, filters = self.shape, self.filters
        limit = room.channels_between(tiles.pixels * group)
        place = filters.chosen(room.filters, limit, "all")
        fits = self._fitting(room, tiles.window, place)
        chunk = self._chunk(room, tiles.window, filters.words[place])
        channels = (filters.channels * filters.phases)[place]
        return Moves(
            fits + tiles.fetched * shape.c_in * filters.counts(place),
            fits + shape.filters * tiles.repeats,
            fits,
            self._visits(room, tiles.pixels * group, chunk, channels),
            place,
            chunk,
        )

    def _chunk(self, room: Room, window: NumpyArray, words: NumpyArray) -> NumpyArray:
        """The most input channels for which a tile fits."""
        if self.shape.pieces:
            return np.ones(np.broadcast_shapes(room.inputs.shape, window.shape))
        most = np.minimum(room.inputs // np.maximum(window, 1), room.filters // words)
        return np.clip(most, 1, self.shape.c_in)

    def _visits(
        self, room: Room, pixels: NumpyArray, chunk: NumpyArray, channels: NumpyArray
    ) -> NumpyArray:
        """How often sums return from the output buffer: not at all if the array keeps them."""
        kept = (pixels <= room.pixels) & (channels <= room.cols)
        return np.where(kept, 0, -(-self.nests.reductions // chunk) - 1)


class FiltersInside(FiltersKept):
    """The same, but the filters of a part of the layer change innermost."""

    loops = ("groups", "outer map", "parts", "channels", "inner map", "filters")
    holds_group = True

    def __init__(self, nests: Nests) -> None:
        super().__init__(nests)
        self.filters = nests.parts
        self.tiles = nests.map_tiles((0, 1, 2, 3), "count")

    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """As `Order.moves`."""
        shape, filters = self.shape, self.filters
        limit = room.channels_between(tiles.pixels * group)
        place = filters.chosen(room.filters, limit, "all")
        fits = self._fitting(room, tiles.window * group, place)
        chunk = self._chunk(room, tiles.window * group, filters.words[place])
        channels = (filters.channels * filters.phases)[place]
        return Moves(
            fits + tiles.fetched * shape.c_in * filters.counts(place),
            fits + shape.filters * tiles.count,
            fits,
            self._visits(room, tiles.pixels * group, chunk, channels),
            place,
            chunk,
        )


@lru_cache(maxsize=1024)
def orders(shape: Shape, spill: bool) -> tuple[Order, ...]:
    """All orders of the loops, those that keep sums in the array first.

    Args:
        shape: the convolution.
        spill: whether sums may go to DRAM.
    """
    return tuple(_orders(Nests(shape), spill))


def _orders(nests: Nests, spill: bool) -> Iterator[Order]:
    whole = [] if nests.shape.pieces else [nests.shape.c_in]
    smaller = [1] if nests.shape.pieces else cuts(nests.shape.c_in).tolist()[1:]
    for chunk in [*whole, *(smaller if spill else [])]:
        yield FiltersOutside(nests, chunk)
        yield MapOutside(nests, chunk)
    if nests.reductions > 1:
        yield FiltersKept(nests)
        yield FiltersInside(nests)
