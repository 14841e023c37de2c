"""Bytes that move between DRAM, buffers and the array."""

from .buffers import buffer_words
from .dram import dram_bytes
from .placing import INTERLEAVE, ZEROS, zeros_of

__all__ = ["INTERLEAVE", "ZEROS", "buffer_words", "dram_bytes", "zeros_of"]
