"""A processor whose buffers hold a number of words."""

from dataclasses import replace

from splitdeconv.dlp import load_processor

PROCESSOR = load_processor("pe_array_16x16")
#: Half a buffer in bytes, as KiB of the whole: what a processor holds is stated in words below.
HALF = 2 / 1024


def holding(i, w, **fields):
    """A processor whose half buffers hold so many words."""
    sizes = {"input_buffer_kib": i * HALF, "weight_buffer_kib": w * HALF}
    return replace(PROCESSOR, **sizes, **fields)
