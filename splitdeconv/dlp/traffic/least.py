"""The least traffic of a convolution, and of all phases of a layer, for any number of images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from ...core.typing import NumpyArray
from .nests import Moves, orders
from .room import Room
from .shape import Shape
from .tiling import cuts, pieces

#: Rows of a result: words of "inputs", "filters" and "spilled" sums, which add up to what is least,
#: and "sums", words read and written in the output buffer; then the choice: the place of the order,
#: images to a group, the places of the tiles of map and filters, input channels of a tile, and the
#: pieces of the filter, counted from 1, or 0 for whole filters.
ROWS = (
    "inputs",
    "filters",
    "spilled",
    "sums",
    "order",
    "group",
    "tile",
    "place",
    "chunk",
    "pieces",
)
#: A result for each number of images.
Runs: TypeAlias = Callable[[int], NumpyArray]

# Numbers in an array of nests by processors.
_MOST_CELLS = 2**20
# Up to so many images, any split of a batch is considered.
_SPLIT = 8
_MOST_KEPT = 2**16
_MOST_GROUP = 1024
# Of nests that move as much, the one whose sums return less often.
_TIE = 1e-6


class Traffic:
    """The least traffic of a layer, for any number of images.

    Args:
        shapes: of its convolutions, and how often each runs.
        together: of all of them, as one convolution whose tiles may span phases; None if that has
            no meaning.
        room: of K processors, all different.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, Shape]], together: Shape | None, room: Room
    ) -> None:
        self.shapes, self.together, self.room = shapes, together, room
        self.apart = [Batches(partial(_alone, shape, room)) for _, shape in shapes]
        #: Of all images: array (4, K), the first rows of `ROWS`.
        self.batches = Batches(self.once)

    def once(self, images: int) -> NumpyArray:
        """Without a split of the batch: phases one after the other, or together."""
        apart = self._one_by_one(images)
        return apart if self.together is None else _lesser(apart, self._at_once(images))

    def phases_share(self, images: int) -> bool:
        """Whether the phases run together; of one processor."""
        if self.together is None:
            return False
        return not np.array_equal(self.once(images), self._one_by_one(images))

    def _one_by_one(self, images: int) -> NumpyArray:
        runs = zip(self.shapes, self.apart, strict=True)
        return np.sum([times * run(images) for (times, _), run in runs], axis=0)

    def _at_once(self, images: int) -> NumpyArray:
        assert self.together is not None
        return _alone(self.together, self.room, images)


def _alone(shape: Shape, room: Room, images: int) -> NumpyArray:
    return run_once(shape, room, images)[:4]


def run_once(shape: Shape, room: Room, images: int) -> NumpyArray:
    """The best nest of a convolution for all images in one run: array (10, K), of `ROWS`.

    Where not one channel of a whole filter fits, or of the inputs that it reads, filters run in
    pieces. Nests that do not fit have infinite traffic.
    """
    memory = _memory(shape, room.flow, room.policy)
    keys = [(images, key) for key in room.labels()]
    new = [index for index, key in enumerate(keys) if key not in memory]
    if len(memory) + len(new) > _MOST_KEPT:
        memory.clear()
        new = list(range(len(keys)))
    if new:
        # Splitting a batch asks for every smaller number of images, too.
        numbers = range(1, images + 1) if images <= _SPLIT else (images,)
        found = _search(shape, room[np.array(new)], numbers)
        for number, result in zip(numbers, found, strict=True):
            memory.update({(number, keys[index][1]): result[:, at] for at, index in enumerate(new)})
    return np.stack([memory[key] for key in keys], axis=1)


@lru_cache(maxsize=2048)
def _memory(shape: Shape, flow: str, policy: str) -> dict[tuple[int, bytes], NumpyArray]:
    """What `run_once` found, by images and room."""
    return {}


def _search(shape: Shape, room: Room, numbers: Sequence[int]) -> NumpyArray:
    """The best nests for each number of images: (numbers, 10, K)."""
    found = _best(shape, room, numbers)
    if len(shape.taps) == 1:
        for number, piece in enumerate(pieces(shape.height, shape.width), start=1):
            tight = np.flatnonzero(np.isinf(found[0, 0]) | (found[0, -1] > 0))
            if not len(tight):
                break
            cut = _best(replace(shape, pieces=piece), room[tight], numbers)
            cut[:, -1] = number
            for part, other in zip(found, cut, strict=True):
                part[:, tight] = _lesser(part[:, tight], other)
    return found


def _best(shape: Shape, room: Room, numbers: Sequence[int]) -> NumpyArray:
    best: NumpyArray = np.full((len(numbers), len(ROWS), len(room)), np.inf)
    best[:, 4:] = 0
    groups = numbers if len(numbers) > 1 else _groups(numbers[0])
    for place, order in enumerate(orders(shape, room.policy == "dram")):
        # Of all tiles, those that some processor has room for.
        some = np.flatnonzero(order.tiles.window * order.chunk <= room.inputs.max())
        if not len(some):
            continue
        tiles = order.tiles.at(some)
        step = max(1, _MOST_CELLS // len(some))
        for group in groups if order.grouped else groups[:1]:
            for first in range(0, len(room), step):
                part = slice(first, first + step)
                moves = order.moves(tiles, room[part], group)
                for images, result in zip(numbers, best, strict=True):
                    if group <= images:
                        turns = -(-images // group) if order.grouped else 1
                        chosen = _chosen(moves, images, turns)
                        chosen[3] *= 2 * shape.outputs * images
                        chosen[4], chosen[5] = place, group
                        chosen[6] = some[chosen[6].astype(int)]
                        result[:, part] = _lesser(result[:, part], chosen)
    return best


def _groups(images: int) -> list[int]:
    """Images to a group, descending: all of them, or up to as many as a buffer may hold."""
    return sorted({images, *cuts(min(images, _MOST_GROUP)).tolist()}, reverse=True)


def _chosen(moves: Moves, images: int, turns: int) -> NumpyArray:
    """The best tile for each processor: (10, K) of `ROWS`, with visits and the tile's place."""
    inputs, filters, spilled = images * moves.inputs, turns * moves.filters, images * moves.spilled
    total = inputs + filters + spilled + _TIE * moves.visits
    tile = np.argmin(total, axis=1)
    rows = np.arange(len(tile)), tile
    columns = (inputs, filters, spilled, moves.visits, moves.place, moves.chunk)
    *moved, place, chunk = (np.broadcast_to(column, total.shape)[rows] for column in columns)
    none = np.zeros_like(tile)
    return np.stack([*moved, none, none, tile, place, chunk, none]).astype(float)


def _lesser(one: NumpyArray, other: NumpyArray) -> NumpyArray:
    """The columns that move less; of equal ones, those whose sums move less, then the first."""
    moved = [result[:3].sum(0) for result in (one, other)]
    better = (moved[1] < moved[0]) | ((moved[1] == moved[0]) & (other[3] < one[3]))
    return np.where(better, other, one)


class Batches:
    """Runs of a batch in parts, one after the other, where that moves less than one run of all.

    Up to 8 images any split is considered, for more images halves, and parts of at most 8.

    Args:
        run: the least traffic of one run, for each number of images.
    """

    def __init__(self, run: Runs) -> None:
        self._run = run
        self._known: dict[int, NumpyArray] = {}
        self._first: dict[int, tuple[int, int]] = {}

    def __call__(self, images: int) -> NumpyArray:
        """The least traffic of so many images: (4, K)."""
        if images not in self._known:
            best = self._run(images)
            parts = [(1, part) for part in range(1, images // 2 + 1)]
            if images > _SPLIT:
                parts = [(images // part, part) for part in range(1, _SPLIT + 1)]
                parts.append((1, images // 2))
            for times, part in parts:
                rest = images - times * part
                total = times * self(part) + (self(rest) if rest else 0)
                lesser = _lesser(best, total)
                if (lesser != best).any():
                    self._first[images] = times, part
                best = lesser
            self._known[images] = best
        return self._known[images]

    def parts(self, images: int) -> dict[int, int]:
        """How many runs there are of each number of images; of one processor."""
        self(images)
        if images not in self._first:
            return {images: 1}
        times, part = self._first[images]
        runs = {size: times * count for size, count in self.parts(part).items()}
        rest = images - times * part
        for size, count in (self.parts(rest) if rest else {}).items():
            runs[size] = runs.get(size, 0) + count
        return runs
