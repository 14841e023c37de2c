"""Architectures in the formats of other tools, written for these tests, as texts to change."""

_MEMORY = """
  {name}:
    size: {bits}
    r_cost: {read}
    w_cost: {write}
    area: 0
    latency: 1
    operands: [{operand}]
    served_dimensions: {served}
    ports:
    - name: r_port_1
      type: read
      bandwidth_min: 8
      bandwidth_max: {width}
      allocation: ["{operand}, tl"]
    - name: w_port_1
      type: write
      bandwidth_min: 8
      bandwidth_max: {width}
      allocation: ["{operand}, fh"]"""
_MEMORIES = [
    # name, operand, bits, width, pJ of a read, of a write, served dimensions
    ("reg_in", "I1", 8, 8, 0.02, 0.02, "[]"),
    ("reg_w", "I2", 8, 8, 0.02, 0.02, "[]"),
    ("reg_out", "O", 24, 24, 0.06, 0.12, "[]"),
    ("sram_in", "I1", 98304, 80, 16, 16, "[D1, D2]"),
    ("sram_w", "I2", 196608, 80, 24, 24, "[D1, D2]"),
    ("sram_out", "O", 98304, 240, 36, 60, "[D1, D2]"),
]
_FIELDS = ("name", "operand", "bits", "width", "read", "write", "served")
#: Six by ten multipliers, buffers of 12, 24 and 12 KiB, DRAM of 48 bits a cycle.
ZIGZAG = f"""\
name: small chip
operational_array:
  unit_energy: 0.25
  unit_area: 1
  dimensions: [D1, D2]
  sizes: [6, 10]
memories:{"".join(_MEMORY.format(**dict(zip(_FIELDS, row, strict=True))) for row in _MEMORIES)}
  dram:
    size: 8000000000
    r_cost: 600
    w_cost: 840
    area: 0
    latency: 1
    operands: [I1, I2, O]
    served_dimensions: [D1, D2]
    ports:
    - name: rw_port_1
      type: read_write
      bandwidth_min: 48
      bandwidth_max: 48
      allocation: ["I1, fh", "I1, tl", "I2, fh", "I2, tl", "O, fh", "O, tl", "O, fl", "O, th"]
"""


def changed(text, *changes):
    """A text after replacements, each of which must find what it replaces."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text
