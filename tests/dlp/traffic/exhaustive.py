"""The least traffic of a small convolution by trying every loop nest, and walking through one.

Every size of a tile along every dimension, and every order of the loops over tiles. What a nest
moves is counted from its loops, whatever they are: an operand is fetched once for each turn of the
loops down to the innermost one that moves it; if that one moves along a row or a column, windows
slide. `walk` runs a nest word by word, so that the count itself is checked.
"""

from dataclasses import dataclass
from itertools import pairwise, permutations, product
from math import ceil, prod

import numpy as np

DIMS = ("b", "h", "w", "c", "p", "m")
MOVES = {"input": set("bhwc"), "filters": set("cpm"), "sums": set("bhwpm")}


@dataclass(frozen=True)
class Layer:
    """Convolutions of one layer: `phases` are (first row, first column, rows of taps, columns).

    `first` and `insertion` are in positions of the map, which has zeros between words that are
    `insertion` apart; `held` says whether the buffer holds those zeros.
    """

    images: int
    outputs: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    extent: tuple[int, int]
    c_in: int
    c_out: int
    phases: tuple[tuple[int, int, int, int], ...]
    insertion: tuple[int, int] = (1, 1)
    held: bool = False

    def window(self, axis: int, first: int, last: int, fetched: bool = True) -> list[int]:
        """Positions that outputs `first` to `last` read along an axis."""
        begin = min(phase[axis] for phase in self.phases)
        end = max(p[axis] + (p[2 + axis] - 1) * self.dilation[axis] for p in self.phases)
        spread = 1 if self.held and not fetched else self.insertion[axis]
        low, high = (place * self.stride[axis] for place in (first, last))
        inside = range(max(low + begin, 0), min(high + end + 1, self.extent[axis]))
        return [position for position in inside if position % spread == 0]


@dataclass(frozen=True)
class Machine:
    """What buffers (words, sums) and array hold; `policy` and `flow` as a processor's."""

    inputs: int
    filters: int
    sums: int
    rows: int
    cols: int
    pixels: int
    policy: str
    flow: str
    sum_words: int = 4


def least(layer, machine):
    """Words moved by the best way to run the layer; infinite if none fits."""
    runs = {}
    for images in range(1, layer.images + 1):
        part = Layer(**{**vars(layer), "images": images})
        apart = [Layer(**{**vars(part), "phases": (phase,)}) for phase in part.phases]
        singles = sum(split(one, machine) for one in apart)
        runs[images] = min([singles, best(part, machine)[0]] if len(apart) > 1 else [singles])
        runs[images] = min([runs[images], *(runs[a] + runs[images - a] for a in range(1, images))])
    return runs[layer.images]


def split(layer, machine):
    """Of one convolution: the best nest for all images, or for parts of the batch in turn."""
    runs = {}
    for images in range(1, layer.images + 1):
        once = best(Layer(**{**vars(layer), "images": images}), machine)[0]
        runs[images] = min([once, *(runs[a] + runs[images - a] for a in range(1, images))])
    return runs[layer.images]


def best(layer, machine, sizes=None):
    """Words moved, tile sizes and order of the best single nest.

    `sizes` gives the tile sizes to try for each of `DIMS`; None for all.
    """
    whole = dict(zip(DIMS, _extents(layer), strict=True))
    if sizes is None:
        sizes = {name: range(1, total + 1) for name, total in whole.items()}
    reads = {
        name: np.array([_reads(layer, axis, size) for size in sizes[name]])
        for axis, name in enumerate("hw")
    }
    grid = np.meshgrid(*(np.arange(len(sizes[name])) for name in DIMS), indexing="ij")
    place = {name: axis.ravel() for name, axis in zip(DIMS, grid, strict=True)}
    tile = {name: np.array(sizes[name])[place[name]] for name in DIMS}
    taps = [rows * columns for _, _, rows, columns in layer.phases]
    groups = [[taps[at : at + n] for at in range(0, len(taps), n)] for n in range(1, len(taps) + 1)]
    grouped = np.array([max(map(sum, parts)) for parts in groups])
    window = reads["h"][place["h"], 0] * reads["w"][place["w"], 0]
    fits = window * tile["c"] * tile["b"] <= machine.inputs
    fits &= grouped[tile["p"] - 1] * tile["c"] * tile["m"] <= machine.filters
    fits &= _within(machine, tile, max(taps))
    tile = {name: values[fits] for name, values in tile.items()}
    rows, columns = (reads[name][place[name][fits]].T for name in "hw")
    count = {name: -(-whole[name] // tile[name]) for name in DIMS}
    found = (np.inf, None, None)
    if not len(tile["b"]):
        return found
    words = sum(taps) * layer.c_in * layer.c_out
    outputs = prod(layer.outputs) * layer.images * layer.c_out * len(taps)
    still = tuple(name for name in DIMS if whole[name] == 1)
    for moving in permutations(name for name in DIMS if whole[name] > 1):
        order = (*moving, *still)
        total = _inputs(layer, order, count, rows, columns) + words * _turns(
            order, count, MOVES["filters"], set("bhw")
        )
        live, pixels, channels = _live(order, tile, whole)
        keeps = (pixels <= machine.pixels) & (channels <= machine.cols)
        if machine.policy != "array":
            keeps |= live <= machine.sums
        keeps |= count["c"] == 1
        if machine.policy == "dram":
            spilled = 2 * (count["c"] - 1) * outputs * machine.sum_words
            total = total + np.where(keeps, 0, spilled)
        else:
            total = np.where(keeps, total, np.inf)
        at = int(np.argmin(total))
        if total[at] < found[0]:
            found = (float(total[at]), {name: int(tile[name][at]) for name in DIMS}, order)
    return found


def walk(layer, tile, order):
    """Words of inputs and filters that a nest fetches, tile by tile, each buffer holding one tile.

    Of the tile before, a buffer keeps what the next one reads if that is the next along one axis.
    """
    sizes = dict(zip(DIMS, _extents(layer), strict=True))
    counts = [range(ceil(sizes[name] / tile[name])) for name in order]
    held = {"input": (None, set()), "filters": (None, set())}
    fetched = {"input": 0, "filters": 0}
    for turn in product(*counts):
        at = dict(zip(order, turn, strict=True))
        part = {
            name: range(at[name] * tile[name], min((at[name] + 1) * tile[name], sizes[name]))
            for name in DIMS
        }
        rows, columns = (layer.window(axis, part[n][0], part[n][-1]) for axis, n in enumerate("hw"))
        needed = {
            "input": set(product(part["b"], rows, columns, part["c"])),
            "filters": {
                (p, m, c, tap)
                for p, m, c in product(part["p"], part["m"], part["c"])
                for tap in range(layer.phases[p][2] * layer.phases[p][3])
            },
        }
        for operand, words in needed.items():
            place = {name: at[name] for name in sorted(MOVES[operand])}
            before, kept = held[operand]
            moved = [n for n in place if before is None or place[n] != before[n]]
            if operand == "filters" or before is None or not _one_on(moved, place, before):
                kept = kept if not moved else set()
            fetched[operand] += len(words - kept)
            held[operand] = (place, words)
    return fetched


def _one_on(moved, place, before):
    return len(moved) == 1 and moved[0] in "hw" and place[moved[0]] == before[moved[0]] + 1


def _extents(layer):
    return (layer.images, *layer.outputs, layer.c_in, len(layer.phases), layer.c_out)


def _reads(layer, axis, size):
    """Largest window in the buffer, words of all tiles, and of all tiles if they slide."""
    outputs = layer.outputs[axis]
    tiles = [(a, min(a + size, outputs) - 1) for a in range(0, outputs, size)]
    held = max(len(layer.window(axis, *tile, fetched=False)) for tile in tiles)
    windows = [set(layer.window(axis, *tile)) for tile in tiles]
    sliding = len(windows[0]) + sum(len(b - a) for a, b in pairwise(windows))
    return held, sum(map(len, windows)), sliding


def _turns(order, count, moves, over):
    """Turns of the loops in `over` down to the innermost that moves an operand."""
    turns, pending = 1, 1
    for name in order:
        if name in over:
            pending = pending * count[name]
        elif name in moves:
            # The loops over it so far repeat this one, if it has more than one turn.
            turns = np.where(count[name] > 1, turns * pending, turns)
            pending = np.where(count[name] > 1, 1, pending)
    return turns


def _inputs(layer, order, count, rows, columns):
    """Words of inputs fetched."""
    repeated = _turns(order, count, MOVES["input"], set("pm"))
    inner = np.full(repeated.shape if np.ndim(repeated) else count["b"].shape, "-")
    for name in order:
        if name in MOVES["input"]:
            inner = np.where(count[name] > 1, name, inner)
    along = rows[1] * columns[1]
    along = np.where(inner == "h", rows[2] * columns[1], along)
    along = np.where(inner == "w", rows[1] * columns[2], along)
    return along * layer.c_in * layer.images * repeated


def _live(order, tile, sizes):
    """Sums, pixels and channels that are begun and not complete while the input channels change."""
    inside = order[order.index("c") :]
    part = {n: sizes[n] * np.ones_like(tile[n]) if n in inside else tile[n] for n in "bhwpm"}
    pixels, channels = part["b"] * part["h"] * part["w"], part["p"] * part["m"]
    return pixels * channels, pixels, channels


def _within(machine, tile, taps):
    """Whether the sums of a tile have a place while its input channels pass through the array."""
    if machine.flow == "output_stationary":
        return np.ones(tile["b"].shape, dtype=bool)
    pixels = tile["b"] * tile["h"] * tile["w"]
    live = pixels * np.minimum(machine.cols, tile["m"])
    if machine.flow == "input_stationary":
        live = np.minimum(machine.cols, pixels) * tile["m"]
    return (taps * tile["c"] <= machine.rows) | (live <= machine.sums)
