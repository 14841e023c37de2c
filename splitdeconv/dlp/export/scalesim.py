"""SCALE-Sim 3.0.0 (Samajdar et al., arXiv 1811.02883): a topology, and a configuration.

Its convolutions are unpadded, undilated and of one stride for both axes, over a single image. The
export keeps the outputs, taps and channels, on which the cycles and the counters of buffer accesses
depend. Padding is therefore part of the map, and a batch is one tall map. A dilated convolution, or
one with two different strides, is written with adjacent taps and stride 1; only its DRAM accesses
then differ.
"""

from typing import Any

import pandas as pd

from ...errors import SplitDeconvError
from ..processor import Processor, TechnologyLike

_DATAFLOWS = {"output_stationary": "os", "weight_stationary": "ws", "input_stationary": "is"}
_TOPOLOGY = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, "
    "Channels, Num Filter, Strides,"
)
# With CALC, SCALE-Sim derives the bandwidth from the array's demand, so it never stalls. Offsets
# are addresses, far apart.
_CONFIGURATION = """\
[general]
run_name = results

[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False

[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {cols}
IfmapSramSzkB = {ifmap}
FilterSramSzkB = {filters}
OfmapSramSzkB = {ofmap}
IfmapOffset = 0
FilterOffset = 1000000000
OfmapOffset = 2000000000
Dataflow = {dataflow}
ReadRequestBuffer = 64
WriteRequestBuffer = 64

[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2

[sparsity]
SparsitySupport = false
"""


def scalesim(
    rows: pd.DataFrame,
    processor: Processor,
    dataflow: str,
    batch: int = 1,
    technology: TechnologyLike | None = None,
) -> dict[str, str]:
    """The files of SCALE-Sim.

    Args:
        rows: convolutions, from `splitdeconv.dlp.export.convolutions.convolutions`.
        processor: `array`, `rows`, `cols`, `word_bits` and the three buffers are used. SCALE-Sim's
            words are bytes, so buffer sizes are given in kibiwords.
        dataflow: "output_stationary", "weight_stationary" or "input_stationary".
        batch: images.
        technology: not used: it has no energies.

    Returns:
        Contents of topology.csv, layout.csv (which the program needs even if it is not used) and
        scale.cfg.

    Raises:
        SplitDeconvError: the array is not systolic.
    """
    if processor.array != "systolic" or dataflow not in _DATAFLOWS:
        raise SplitDeconvError(
            "SCALE-Sim cannot describe this array",
            where=f"processor {processor.name}",
            expected="a systolic array, output, weight or input stationary",
            got=f"array {processor.array}, dataflow {dataflow}",
            fix="export to zigzag",
        )
    lines = [_TOPOLOGY, *(_line(row, batch) for row in rows.itertuples(index=False))]
    buffers = (processor.input_buffer_kib, processor.weight_buffer_kib, processor.output_buffer_kib)
    ifmap, filters, ofmap = (max(1, int(kib * 8 / processor.word_bits)) for kib in buffers)
    configuration = _CONFIGURATION.format(
        rows=processor.rows,
        cols=processor.cols,
        ifmap=ifmap,
        filters=filters,
        ofmap=ofmap,
        dataflow=_DATAFLOWS[dataflow],
    )
    return {
        "topology.csv": "\n".join(lines) + "\n",
        "layout.csv": "Layer name,\n",
        "scale.cfg": configuration,
    }


def _line(row: Any, batch: int) -> str:
    plain = row.stride_h == row.stride_w and row.dilation_h == row.dilation_w == 1
    stride = row.stride_h if plain else 1
    height = (row.out_h * batch - 1) * stride + row.taps_h
    width = (row.out_w - 1) * stride + row.taps_w
    fields = (row.name, height, width, row.taps_h, row.taps_w, row.c_in, row.c_out, stride)
    return ", ".join(map(str, fields)) + ","
