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

#: Sums of 4 x 12 multipliers, which keep weights; a buffer of 4, 16 and 8 KiB; 5 GB/s of DRAM.
ACCELFORGE = """\
arch:
  extra_attributes_for_all_component_models: {tech_node: 28e-9}
  nodes:
  - !Memory
    name: MainMemory
    size: inf
    leak_power: 0
    tensors: {keep: ~Intermediates, may_keep: All}
    actions:
    - {name: read, energy: 6e-12, throughput: 8 * 5e9}
    - {name: write, energy: 9e-12, throughput: 8 * 5e9}
  - !Memory
    name: InputBuffer
    size: 4*1024*8
    leak_power: 2e-6
    area: 1e-9
    total_latency: max(a.n_calls / a.throughput for a in actions)
    tensors: {keep: input}
    actions:
    - {name: read, energy: 3e-12, bits_per_action: 16, throughput: 64 * 5e8 / 16}
    - {name: write, energy: 3e-12, bits_per_action: 16, throughput: inf}
  - !Memory
    name: WeightBuffer
    size: 16*1024*8
    bits_per_action: 32
    leak_power: 3e-6
    area: 2e-9
    tensors: {keep: weight}
    actions:
    - {name: read, energy: 8e-12, throughput: inf}
    - {name: write, energy: 8e-12, throughput: inf}
  - !Memory
    name: OutputBuffer
    size: 8*1024*8
    leak_power: 1e-6
    area: 4e-9
    tensors: {keep: output}
    actions:
    - {name: read, energy: 0.25e-12, throughput: inf}
    - {name: write, energy: 0.15e-12, throughput: inf}
  - !Container
    name: Array
    spatial:
    - {name: X, fanout: 12, reuse: input, min_usage: 1}
    - {name: Y, fanout: 2 * 2, reuse: output, may_reuse: output}
  - !Memory
    name: WeightRegister
    size: 16
    component_class: Dummy
    tensors: {keep: weight}
  - !Compute
    name: MAC
    leak_power: 7e-9
    actions:
    - {name: compute, energy: 0.4e-12, throughput: 1 / (2e-9)}
"""


def changed(text, *changes):
    """A text after replacements, each of which must find what it replaces."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text
