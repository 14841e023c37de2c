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
# Results that are kept of a shape, and processors at a time for which they are.
_MOST_KEPT, _MOST_ASKED = 2**16, 2**12
_MOST_GROUP = 1024


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
    if len(room) > _MOST_ASKED:
        numbers = range(1, images + 1) if images <= _SPLIT else (images,)
        return _search(shape, room, numbers)[-1]
    memory = _memory(shape, room.flow, room.policy)
    keys = [(images, key) for key in room.labels()]
    new = [index for index, key in enumerate(keys) if key not in memory]
    if len(memory) + len(new) > _MOST_KEPT:
        memory.clear()
        new = list(range(len(keys)))
    if new:
        # Splitting a batch asks for every smaller number of images, too.
        numbers = range(1, images + 1) if images <= _SPLIT else (images,)
        results = _search(shape, room[np.array(new)], numbers)
        for number, result in zip(numbers, results, strict=True):
            memory.update({(number, keys[index][1]): result[:, at] for at, index in enumerate(new)})
    return np.stack([memory[key] for key in keys], axis=1)


@lru_cache(maxsize=2048)
def _memory(shape: Shape, flow: str, policy: str) -> dict[tuple[int, bytes], NumpyArray]:
    """Results of `run_once`, by images and room."""
    return {}


def _search(shape: Shape, room: Room, numbers: Sequence[int]) -> NumpyArray:
    """The best nests for each number of images: (numbers, 10, K)."""
    best = _best(shape, room, numbers)
    if len(shape.taps) == 1:
        for number, piece in enumerate(pieces(shape.height, shape.width), start=1):
            tight = np.flatnonzero(np.isinf(best[0, 0]) | (best[0, -1] > 0))
            if not len(tight):
                break
            cut = _best(replace(shape, pieces=piece), room[tight], numbers)
            cut[:, -1] = number
            for part, other in zip(best, cut, strict=True):
                part[:, tight] = _lesser(part[:, tight], other)
    return best


def _best(shape: Shape, room: Room, numbers: Sequence[int]) -> NumpyArray:
    best: NumpyArray = np.full((len(numbers), len(ROWS), len(room)), np.inf)
    best[:, 4:] = 0
    groups = numbers if len(numbers) > 1 else _groups(numbers[0])
    others, same = room.alike
    for place, order in enumerate(orders(shape, room.policy == "dram")):
        for group in groups if order.grouped else groups[:1]:
            # Windows ascend: of the tiles so far, the best is that of all processors alike in all
            # else.
            fitting = np.searchsorted(order.window(group), room.inputs[:, 0], side="right")
            if not fitting.max():
                continue
            tiles = order.tiles.at(np.arange(fitting.max()))
            step = max(1, _MOST_CELLS // len(tiles.window))
            for first in range(0, len(others), step):
                rows = np.flatnonzero((fitting > 0) & (same // step == first // step))
                if not len(rows):
                    continue
                moves = order.moves(tiles, others[slice(first, first + step)], group)
                at = same[rows] - first, fitting[rows] - 1
                for images, result in zip(numbers, best, strict=True):
                    if group <= images:
                        turns = -(-images // group) if order.grouped else 1
                        tile = _first_least(moves, images, turns)[at]
                        pick = at[0], tile
                        inputs, filters, spilled, filter_tile = (part[pick] for part in moves)
                        chunk, visits = order.returns(
                            tiles.at(tile), room[rows], group, filter_tile
                        )
                        moved = (inputs * images, filters * turns, spilled * images)
                        sums = 2 * shape.outputs * images * visits
                        fixed = (np.full(len(rows), value) for value in (place, group))
                        choice = (*fixed, tile, filter_tile, chunk, np.zeros(len(rows)))
                        column = np.stack([*moved, sums, *choice]).astype(float)
                        better = _is_less(column, result[:4, rows])
                        result[:, rows[better]] = column[:, better]
    return best


def _first_least(moves: Moves, images: int, turns: int) -> NumpyArray:
    """The first of the best tiles up to each tile: (K, N)."""
    total = images * (moves.inputs + moves.spilled) + turns * moves.filters
    least = np.minimum.accumulate(total, axis=1)
    fresh = np.ones(total.shape, dtype=bool)
    fresh[:, 1:] = total[:, 1:] < least[:, :-1]
    return np.maximum.accumulate(np.where(fresh, np.arange(total.shape[1]), 0), axis=1)


def _groups(images: int) -> list[int]:
    """Images to a group, descending: all of them, or up to as many as a buffer may hold."""
    return sorted({images, *cuts(min(images, _MOST_GROUP)).tolist()}, reverse=True)


def _lesser(one: NumpyArray, other: NumpyArray) -> NumpyArray:
    """The columns that move less; of equal ones, those whose sums move less, then the first."""
    return np.where(_is_less(other, one), other, one)


def _is_less(one: NumpyArray, other: NumpyArray) -> NumpyArray:
    """Whether a result moves less, column by column, or as much with less for its sums."""
    moved, others = one[:3].sum(0), other[:3].sum(0)
    return (moved < others) | ((moved == others) & (one[3] < other[3]))


class Batches:
    """Runs of a batch in parts, one after the other, where that moves less than one run of all.

    Up to 8 images any split is considered; for more, parts of at most 8, and up to 1,024 halves.

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
            if images <= _SPLIT:
                parts = [(1, part) for part in range(1, images // 2 + 1)]
            else:
                parts = [(images // part, part) for part in range(1, _SPLIT + 1)]
                parts += [(1, images // 2)] * (images <= _MOST_GROUP)
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
