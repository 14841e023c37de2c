"""The loop nests behind the least traffic, as an architect writes them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import check_choice, check_count
from ..lowering import Work, lower
from ..machine import Machine
from ..processor import ProcessorLike, load_processor
from ..workload import NetworkLike, workload
from .dram import checked_room
from .layers import layers
from .least import ROWS, Traffic, run_once
from .map_tiles import MapTiles
from .nests import Order, orders
from .placing import zeros_of
from .room import Room
from .shape import Shape
from .tiling import pieces


@dataclass(frozen=True)
class Loop:
    """A loop over tiles.

    Args:
        over: "images", "rows", "columns" (of the output), "input channels", "output channels" or
            "phases".
        tiles: turns of the loop.
        size: of a tile; the last may be smaller.
        slides: whether the next tile keeps the inputs that it shares with this one.
    """

    over: str
    tiles: int
    size: int
    slides: bool = False

    def __str__(self) -> str:
        tiles = f"{self.tiles:,} tiles of {self.size:,}"
        return f"for {self.over} in {tiles}{', inputs slide' * self.slides}"

    @property
    def brief(self) -> str:
        """In a few words: the dimension, tiles x size, and ~ if inputs slide."""
        return f"{self.over} {self.tiles}x{self.size}" + "~" * self.slides


@dataclass(frozen=True)
class Nest:
    """A loop nest and what it moves.

    Args:
        runs: how often the layer runs it, one after the other.
        images: of each run.
        phases: of a split layer that run together.
        loops: over tiles, outermost first.
        input_words, weight_words: of a tile, at most, in half a buffer.
        sums: kept in the array or in half the output buffer while input channels change.
        inputs, weights: words fetched from DRAM in a run.
        spilled: sums moved to DRAM and back in a run, as words of inputs.
        pieces: rows and columns of taps of each part of a filter; None for whole filters.
    """

    runs: int
    images: int
    phases: int
    loops: tuple[Loop, ...]
    input_words: int
    weight_words: int
    sums: int
    inputs: int
    weights: int
    spilled: int
    pieces: tuple[int, int] | None

    @property
    def brief(self) -> str:
        """In a line: loops, outermost first, and what is run how often."""
        loops = " > ".join(loop.brief for loop in self.loops) or "one tile"
        times = f"{self.runs} x " * (self.runs > 1)
        return f"{times}{'phases together, ' * (self.phases > 1)}{loops}"

    def __str__(self) -> str:
        head = f"{self.runs:,} runs, each of " if self.runs > 1 else ""
        head += f"{self.images:,} image{'s' * (self.images > 1)}"
        head += f", {self.phases:,} phases together" if self.phases > 1 else ""
        if self.pieces:
            head += f", filters in pieces of {self.pieces[0]}x{self.pieces[1]} taps"
        lines = [head]
        lines += ["  " * (depth + 1) + str(loop) for depth, loop in enumerate(self.loops)]
        tile = f"tile: {self.input_words:,} words of input, {self.weight_words:,} of filters"
        tile += f", {self.sums:,} sums kept" if self.sums else ""
        each = " of a run" * (self.runs > 1)
        moved = f"DRAM{each}: {self.inputs:,} words of input, {self.weights:,} of filters"
        moved += f", sums as {self.spilled:,} words" if self.spilled else ""
        return "\n".join([*lines, *("  " * (len(lines)) + text for text in (tile, moved))])


def mapping(
    network: NetworkLike,
    processor: ProcessorLike,
    method: str = "sd",
    dataflow: str | None = None,
    batch: int = 1,
    zeros: str = "generated",
    **options: Any,
) -> dict[str, list[Nest]]:
    """The loop nests in which each layer moves the least from and to DRAM.

    Args:
        network, processor, method, dataflow, batch, zeros, options: as for
            `splitdeconv.dlp.simulate`.

    Returns:
        The nests of each layer by its name, in order of execution; printed, a nest is a few lines.

    Raises:
        SplitDeconvError: as `simulate`.

    Example:
        >>> import splitdeconv as sd
        >>> nests = sd.dlp.mapping("dcgan", "pe_array_32x7")
        >>> print(nests["deconv1"][0])
        1 image, 4 phases together
          for phases in 2 tiles of 2
            for output channels in 19 tiles of 7
              tile: 16,384 words of input, 32,256 of filters
              DRAM: 16,384 words of input, 1,179,648 of filters
    """
    machine = load_processor(processor)
    batch = check_count(batch, "batch", "mapping")
    table = workload(network, **options)
    flow = machine.dataflows[0] if dataflow is None else dataflow
    check_choice(flow, machine.dataflows, "dataflow", f"processor {machine.name}")
    nests = loop_nests(lower(table, method), machine, method, batch, zeros, flow)
    return dict(zip(table["name"], nests, strict=True))


def loop_nests(
    work: Work,
    processor: Machine,
    method: str,
    batch: int = 1,
    zeros: str = "generated",
    dataflow: str | None = None,
) -> list[list[Nest]]:
    """The nests of each layer that `splitdeconv.dlp.traffic.dram_bytes` counted.

    Args:
        work, processor, method, batch, zeros, dataflow: as for `dram_bytes`, one processor.

    Returns:
        A list for each layer.
    """
    room, _ = checked_room(processor, dataflow)[0].distinct()
    return [
        [replace(nest, runs=nest.runs * groups) for nest in _merged(_layer(*shapes, room, batch))]
        for shapes, groups in layers(work, zeros_of(method, zeros))
    ]


def _layer(
    apart: tuple[tuple[int, Shape], ...], together: Shape | None, room: Room, images: int
) -> Iterator[Nest]:
    traffic = Traffic(apart, together, room)
    for part, turns in traffic.batches.parts(images).items():
        if together is not None and traffic.phases_share(part):
            yield _nest(together, room, part, turns)
            continue
        for (times, shape), batches in zip(apart, traffic.apart, strict=True):
            for run, count in batches.parts(part).items():
                yield _nest(shape, room, run, turns * times * count)


def _merged(nests: Iterator[Nest]) -> list[Nest]:
    """Equal nests as one that runs so often."""
    runs: dict[Nest, int] = {}
    for nest in nests:
        once = replace(nest, runs=1)
        runs[once] = runs.get(once, 0) + nest.runs
    return [replace(nest, runs=times) for nest, times in runs.items()]


def _nest(shape: Shape, room: Room, images: int, runs: int) -> Nest:
    choice = dict(zip(ROWS, run_once(shape, room, images)[:, 0].tolist(), strict=True))
    piece = None
    if choice["pieces"]:
        piece = pieces(shape.height, shape.width)[int(choice["pieces"]) - 1]
        shape = replace(shape, pieces=piece)
    order = orders(shape, room.policy == "dram")[int(choice["order"])]
    tile = order.tiles.at(np.array([int(choice["tile"])]))
    group, place, chunk = (int(choice[name]) for name in ("group", "place", "chunk"))
    held = group if order.holds_group else 1
    filters = order.filters
    channels = int(filters.phases[place] * filters.channels[place])
    keeps = "inner map" in order.loops and choice["chunk"] < order.nests.reductions
    return Nest(
        runs,
        images,
        len(shape.taps),
        tuple(_loops(order, tile, images, group, place, chunk)),
        int(tile.window[0]) * chunk * held,
        int(filters.words[place]) * chunk,
        int(tile.pixels[0]) * group * channels if keeps else 0,
        int(choice["inputs"]),
        int(choice["filters"]),
        int(choice["spilled"]),
        piece,
    )


def _loops(
    order: Order, tile: MapTiles, images: int, group: int, place: int, chunk: int
) -> Iterator[Loop]:
    """The loops of more than one turn, outermost first."""
    shape, filters = order.shape, order.filters
    phases, channels = int(filters.phases[place]), int(filters.channels[place])
    every = {
        "channels": [("input channels", order.nests.reductions, chunk)],
        "images": [("images", group if "groups" in order.loops else images, 1)],
        "groups": [("images", images, group)],
        "parts": [("phases", len(shape.taps), phases), ("output channels", shape.c_out, channels)],
    }
    every["filters"] = every["parts"]
    if "parts" in order.loops:
        held = int(filters.held_phases[place]), int(filters.held_channels[place])
        every["filters"] = [("phases", phases, held[0]), ("output channels", channels, held[1])]
    for name in order.loops:
        if "map" in name:
            yield from _map_loops(order, tile, name)
            continue
        for over, total, size in every[name]:
            if total > size:
                yield Loop(over, -(-total // size), size)


def _map_loops(order: Order, tile: MapTiles, name: str) -> Iterator[Loop]:
    """The loops over rows and columns, the sliding one innermost."""
    axes = (
        ("rows", order.nests.sides[0], tile.height),
        ("columns", order.nests.sides[1], tile.width),
    )
    slides = int(tile.slides[0])
    for axis in (1, 0) if slides == 0 else (0, 1):
        over, side, at = axes[axis]
        outside = bool(int(tile.outside[0]) & (axis + 1))
        if side.count[at[0]] > 1 and (name == "map" or outside == (name == "outer map")):
            size = int(side.size[at[0]])
            yield Loop(over, int(side.count[at[0]]), size, axis == slides)
