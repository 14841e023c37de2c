"""Sweeps to test with: two networks, a compound axis, one that makes jobs, and plain ones."""

from tests.dlp.tables import networks

TABLES = {name: networks(name) for name in ("SNGAN", "MDE")}
AXES = {
    "dram_gb_s": [0.7, 9.6, 300],
    "word_bits": [16, 8],
    "array": {"7x9": {"rows": 7, "cols": 9}, "24x4": {"rows": 24, "cols": 4}, "as it is": {}},
    "batch": [1, 2, 3, 5],
}
HOW = {"processor": "pe_array_32x7", "methods": ("sd", "nzp"), "skips": ("none", "W")}
