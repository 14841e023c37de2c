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

from abc import ABC, abstractmethod
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
    """What nests move, in words, whatever the input buffer holds; arrays (K, N).

    Args:
        inputs: words fetched for an image; infinite if filters or sums do not fit.
        filters: words fetched for a group of images, or for all if there are no groups.
        spilled: words of sums moved to DRAM and back for an image.
        place: of the filters' tiles.
    """

    inputs: NumpyArray
    filters: NumpyArray
    spilled: NumpyArray
    place: NumpyArray


class Nests:
    """All nests of one shape.

    Args:
        shape: the convolution.
    """

    def __init__(self, shape: Shape) -> None:
        rows, columns = shape.pieces or (None, None)
        self.shape = shape
        self.sides = tilings(shape.height, rows), tilings(shape.width, columns)
        #: At most so many tiles of the input channels; pieces of filters count like channels.
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


class Order(ABC):
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

    def window(self, group: int) -> NumpyArray:
        """Words of input that the buffer has to hold, by tile of the map, ascending.

        Args:
            group: images in a tile, or that share their filters.
        """
        return self.tiles.window * self.chunk * (group if self.holds_group else 1)

    @abstractmethod
    def moves(self, tiles: MapTiles, room: Room, group: int) -> Moves:
        """What the nests move.

        Args:
            tiles: N of the order's, of the map.
            room: of K processors.
            group: as for `window`.
        """
        ...

    def _fetched(self, tiles: MapTiles, place: NumpyArray) -> NumpyArray:
        """Words of an image, fetched for each tile of filters; infinite if no filters fit."""
        # A map that lies in the padding has no words, for however many tiles.
        words = np.broadcast_to(tiles.fetched * self.shape.c_in, place.shape)
        counts = self.filters.count[place]
        return np.where(place >= 0, words * counts.astype(float), np.inf)

    def returns(
        self, tiles: MapTiles, room: Room, group: int, place: NumpyArray
    ) -> tuple[NumpyArray, NumpyArray]:
        """Input channels of a tile, and how often sums return to the array from elsewhere.

        Args:
            tiles: the chosen one of each processor, (K,).
            room: of the K processors.
            group: as for `window`.
            place: the chosen tiles of filters, (K,).
        """
        parts = -(-self.nests.reductions // self.chunk)
        return np.full(len(room), self.chunk), np.full(len(room), parts - 1)


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
        inputs = self._fetched(tiles, place)
        parts = -(-self.nests.reductions // chunk)
        spilled = 2.0 * (parts - 1) * shape.outputs * room.sum_words
        still = np.zeros_like(inputs)
        return Moves(inputs, still + shape.filters, still + spilled, place)


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
        parts = -(-self.nests.reductions // chunk)
        spilled = 2.0 * (parts - 1) * shape.outputs * room.sum_words
        fits = np.where(place >= 0, 0.0, np.inf)
        inputs, filters = tiles.fetched * shape.c_in, shape.filters * tiles.count
        still = np.zeros_like(fits)
        return Moves(fits + inputs, still + filters, still + spilled, place)


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
        inputs = self._fetched(tiles, place)
        still = np.zeros_like(inputs)
        return Moves(inputs, still + shape.filters * self._turns(tiles), still, place)

    def returns(
        self, tiles: MapTiles, room: Room, group: int, place: NumpyArray
    ) -> tuple[NumpyArray, NumpyArray]:
        """As `Order.returns`: as many channels as there is room for."""
        chunk = np.ones(len(room))
        if not self.shape.pieces:
            window = np.maximum(tiles.window * (group if self.holds_group else 1), 1)
            most = np.minimum(
                room.inputs[:, 0] // window, room.filters[:, 0] // self.filters.words[place]
            )
            chunk = np.clip(most, 1, self.shape.c_in)
        channels = (self.filters.channels * self.filters.phases)[place]
        # Not at all if the array keeps them.
        kept = (tiles.pixels * group <= room.pixels[:, 0]) & (channels <= room.cols[:, 0])
        return chunk, np.where(kept, 0, -(-self.nests.reductions // chunk) - 1)

    def _turns(self, tiles: MapTiles) -> NumpyArray:
        """How often the filters are fetched for a group."""
        return tiles.repeats


class FiltersInside(FiltersKept):
    """The same, but the filters of a part of the layer change innermost."""

    loops = ("groups", "outer map", "parts", "channels", "inner map", "filters")
    holds_group = True

    def __init__(self, nests: Nests) -> None:
        super().__init__(nests)
        self.filters = nests.parts
        self.tiles = nests.map_tiles((0, 1, 2, 3), "count")

    def _turns(self, tiles: MapTiles) -> NumpyArray:
        return tiles.count


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
