"""Bytes from and to DRAM: the least that any loop nest moves.

A layer's convolutions run in the nests of `splitdeconv.dlp.traffic.nests`, one after the other or,
if that moves less, as one whose tiles of filters span phases, so that the phases share a tile of
the input, whose window is that of all phases. Batches are split where that moves less. Some of the
phases together, such as those of one row, which read a smaller window, are not considered: on the
six networks' layers with buffers of 8 to 256 KiB, "sd" and "sd_trimmed" on the 16x16 array would
move less in 5 of 276 cases, by at most 7 %, and in none with 32 or 64 KiB. Outputs are written
once; what it costs that they do not lie side by side is in `splitdeconv.dlp.traffic.placing`.
"""

import numpy as np
import pandas as pd

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, check_choice
from ..lowering import Work
from ..machine import Counts, Machine
from .layers import layers
from .least import Traffic
from .placing import placing_bytes, zeros_of
from .room import KEEPS_SUMS, SUMS, Room


def dram_bytes(
    work: Work,
    table: pd.DataFrame,
    processor: Machine,
    method: str,
    batch: Counts = 1,
    zeros: str = "generated",
    interleave: str | None = None,
    dataflow: str | None = None,
    share: bool = True,
) -> dict[str, NumpyArray]:
    """Bytes from and to DRAM, per layer.

    Args:
        work: M convolutions of L layers, from `lower(table, method)`.
        table: the layers.
        processor: a `Processor`, or anything with its fields; numbers, or arrays that broadcast and
            whose last axis, that of the layers, is 1.
        method: of `splitdeconv.dlp.lowering.METHODS`.
        batch: images, a number or an array like the processor's.
        zeros: where the zeros of "nzp" are, of `splitdeconv.dlp.traffic.ZEROS`.
        interleave: how pixels are placed apart, of `splitdeconv.dlp.traffic.INTERLEAVE`; None for
            "bursts" if the processor has strided writes, else "pass".
        dataflow: one of the processor's; None for its first.
        share: whether the phases of a layer may run together, and share tiles of the input.

    Returns:
        dict of float arrays (..., L): "input", "weight", "output" (sums that go to DRAM and back
        included) and "interleave" (insertion of zeros included); and "sums", which are in none of
        them: bytes of sums that the output buffer takes and gives while the input channels change.

    Raises:
        SplitDeconvError: invalid `zeros` or `interleave`; a buffer that holds less than a word; a
            dataflow whose sums leave the array of a processor that keeps them there.
    """
    home = zeros_of(method, zeros)
    words = _words(work, processor, dataflow, batch, home, share)
    word, sum_ = processor.word_bits / 8, processor.accumulator_bits / 8
    pixels = table["out_h"] * table["out_w"] * table["c_out"]
    outputs = pixels.to_numpy(dtype=float) * batch * word
    inputs, filters, spilled, sums = words
    moved = placing_bytes(table, processor, method, batch, home, interleave)
    parts = {
        "input": inputs * word,
        "weight": filters * word,
        "output": outputs + spilled * word,
        "interleave": moved,
        "sums": sums * sum_,
    }
    shape = np.broadcast_shapes(*(np.shape(part) for part in parts.values()))
    return {name: np.broadcast_to(part, shape) for name, part in parts.items()}


def _words(
    work: Work, processor: Machine, flow: str | None, batch: Counts, home: str, share: bool
) -> NumpyArray:
    """Words of inputs, filters, spilled sums and sums of the output buffer: (4, ..., L)."""
    room, shape = checked_room(processor, flow)
    different, place = room.distinct()
    joint = np.broadcast_shapes(shape, np.shape(batch))
    places = np.broadcast_to(place.reshape(shape), joint).ravel()
    batches = np.broadcast_to(batch, joint).ravel()
    every = list(layers(work, home))
    result = np.empty((4, len(places), len(every)))
    for images in np.unique(batches).tolist():
        rows = np.flatnonzero(batches == images)
        used, at = np.unique(places[rows], return_inverse=True)
        for layer, ((apart, together), groups) in enumerate(every):
            shared = together if share else None
            least = Traffic(apart, shared, different[used]).batches(int(images))
            result[:, rows, layer] = groups * least[:, at]
    return result.reshape(4, *joint[:-1], len(every))


def checked_room(processor: Machine, dataflow: str | None = None) -> tuple[Room, tuple[int, ...]]:
    """As `Room.of`; refused where a buffer holds nothing or sums have no place.

    Args:
        processor: as for `dram_bytes`.
        dataflow: likewise.

    Raises:
        SplitDeconvError: as `dram_bytes`.
    """
    flow = processor.dataflows[0] if dataflow is None else dataflow
    room, shape = Room.of(processor, flow)
    check_choice(room.policy, SUMS, "sums")
    where = f"processor {getattr(processor, 'name', '')}".strip()
    for name, sizes, what in (
        ("input", room.inputs, "word"),
        ("weight", room.filters, "word"),
        ("output", room.sums, "partial sum"),
    ):
        if sizes.min() < 1:
            raise SplitDeconvError(
                f"invalid value of {name}_buffer_kib",
                where=where,
                expected=f"half of it holds at least one {what}",
                got=f"{float(np.min(getattr(processor, f'{name}_buffer_kib'))):g} KiB",
            )
    if room.policy == "array" and room.flow not in KEEPS_SUMS:
        raise SplitDeconvError(
            f"the sums of dataflow {room.flow} leave the array",
            where=where,
            expected="sums 'buffer' or 'dram', or another dataflow",
            got="sums 'array'",
        )
    return room, shape
