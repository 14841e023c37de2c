"""What the buffers and the array of many processors hold, in words and sums."""

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from ...core.typing import NumpyArray
from ..machine import Machine

#: Where partial sums may go that the array cannot keep: nowhere, to the output buffer, or, if that
#: is full, on to DRAM.
SUMS = ("array", "buffer", "dram")
#: Dataflows in which a sum stays in the array until it is complete.
KEEPS_SUMS = ("output_stationary", "dot_product")


@dataclass(frozen=True, eq=False)
class Room:
    """K processors that differ in their sizes; arrays (K, 1).

    Args:
        inputs, filters: words that half of the input and of the weight buffer holds.
        sums: partial sums that half of the output buffer holds.
        rows, cols: of the array.
        pixels: output pixels whose sums the array keeps, for `cols` channels each; 0 if none.
        sum_words: words that a sum is as wide as.
        flow: the dataflow.
        policy: one of `SUMS`.
    """

    inputs: NumpyArray
    filters: NumpyArray
    sums: NumpyArray
    rows: NumpyArray
    cols: NumpyArray
    pixels: NumpyArray
    sum_words: NumpyArray
    flow: str = field(kw_only=True)
    policy: str = field(kw_only=True)

    @classmethod
    def of(cls, processor: Machine, flow: str) -> tuple["Room", tuple[int, ...]]:
        """The room of processors, one after the other, and the shape that they had.

        Args:
            processor: a `Processor`, or anything with its fields, numbers or arrays that broadcast.
            flow: the dataflow.
        """
        word, sum_ = processor.word_bits / 8, np.asarray(processor.accumulator_bits) / 8
        kept = {"output_stationary": processor.rows, "dot_product": processor.stripe_pixels}
        sums = np.floor(np.multiply(processor.output_buffer_kib, 512) / sum_)
        rows, cols, pixels = map(np.asarray, (processor.rows, processor.cols, kept.get(flow, 0)))
        if flow in KEEPS_SUMS:
            rows = np.zeros(())
            # An output buffer that holds all of the array's sums holds whatever the array does.
            if processor.sums != "array" and sums.min() >= pixels.max() * cols.max():
                cols = pixels = np.zeros(())
        columns = [
            np.floor(np.multiply(processor.input_buffer_kib, 512) / word),
            np.floor(np.multiply(processor.weight_buffer_kib, 512) / word),
            *(sums, rows, cols, pixels, sum_ / word),
        ]
        alike = np.broadcast_arrays(*columns)
        whole = (column.reshape(-1, 1).astype(float) for column in alike)
        return cls(*whole, flow=flow, policy=processor.sums), alike[0].shape

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: slice | NumpyArray) -> "Room":
        return Room(
            *(column[rows] for column in self._columns()), flow=self.flow, policy=self.policy
        )

    def labels(self) -> list[bytes]:
        """A key for each processor, different where sizes differ."""
        return [row.tobytes() for row in np.hstack(self._columns())]

    def distinct(self, inputs: bool = True) -> tuple["Room", NumpyArray]:
        """The rooms that differ in what matters, and the place of each processor among them.

        Args:
            inputs: whether the input buffer matters.
        """
        rows, cols, pixels, sum_words = self.rows, self.cols, self.pixels, self.sum_words
        if self.flow in KEEPS_SUMS and self.policy != "array":
            # As in `of`, for some of the processors.
            beside = self.sums < pixels * cols
            cols, pixels = cols * beside, pixels * beside
        if self.policy != "dram":
            sum_words = np.ones_like(sum_words)
        code: NumpyArray = np.zeros(len(self), np.int64)
        held = self.inputs if inputs else np.full_like(self.inputs, np.inf)
        columns = [held, self.filters, self.sums, rows, cols, pixels, sum_words]
        for column in columns:
            values, place = np.unique(column, return_inverse=True)
            code = np.unique(code * len(values) + place.ravel(), return_inverse=True)[1]
        _, first = np.unique(code, return_index=True)
        different = (column[first] for column in columns)
        return Room(*different, flow=self.flow, policy=self.policy), code

    @cached_property
    def alike(self) -> tuple["Room", NumpyArray]:
        """The rooms that differ in more than the input buffer, and the place of each processor."""
        return self.distinct(inputs=False)

    def channels_between(self, pixels: NumpyArray) -> NumpyArray:
        """Channels whose sums are kept while the input channels change: (K, N).

        Args:
            pixels: of each channel, array (N,) or (K, N).
        """
        kept = np.where(pixels <= self.pixels, self.cols, 0)
        if self.policy == "array":
            return kept
        return np.maximum(kept, np.floor(self.sums / pixels))

    def channels_within(self, pixels: NumpyArray, products: int) -> NumpyArray:
        """Channels of a tile whose sums are kept while its input channels pass through the array.

        Args:
            pixels: of the tile, array (N,) or (K, N).
            products: that make up a sum.
        """
        if self.flow in KEEPS_SUMS:
            return np.full(np.broadcast_shapes(pixels.shape, self.sums.shape), np.inf)
        # Operands stay in the array, so sums leave it, unless they are complete.
        if self.flow == "weight_stationary":
            limit = np.where(pixels * self.cols <= self.sums, np.inf, np.floor(self.sums / pixels))
        else:
            limit = np.floor(self.sums / np.minimum(pixels, self.cols))
        return np.where(products <= self.rows, np.inf, limit)

    def _columns(self) -> list[NumpyArray]:
        return [getattr(self, each.name) for each in fields(self) if not each.kw_only]
