"""A network as input of other simulators: each convolution of a method, with how often it runs.

None of these formats can express skipping; the export is what an array without skipping runs.
"""

import os
import re
from pathlib import Path

import pandas as pd

from ...atomic import replacing
from ...errors import SplitDeconvError, check_choice, check_count
from ..cycles import check_run
from ..lowering import lower
from ..processor import ProcessorLike, TechnologyLike, load_processor
from ..workload import NetworkLike, workload
from .scalesim import scalesim
from .zigzag import zigzag

FORMATS = {"scalesim": scalesim, "zigzag": zigzag}
_LENGTHS = ("out", "taps", "stride", "dilation", "in")
_FIELDS = (*(f"{name}_{side}" for name in _LENGTHS for side in "hw"), "c_in", "c_out")


def convolutions(network: NetworkLike, method: str = "sd") -> pd.DataFrame:
    """Every distinct convolution that a network runs under a method.

    Args:
        network: what `splitdeconv.dlp.workload` takes.
        method: one of `splitdeconv.dlp.lowering.METHODS`.

    Returns:
        DataFrame, one row per convolution, in the order of the layers. name: unique and valid in
        every format; layer: of the network; kind: of the layer; times: how often the layer runs a
        convolution of these sizes, including its groups; then the sizes of one group's convolution,
        as in `splitdeconv.dlp.lowering.Work`.

    Raises:
        SplitDeconvError: as `workload` and `lower`.

    Example:
        >>> import splitdeconv as sd
        >>> rows = sd.dlp.convolutions("dcgan", "sd")
        >>> print(rows[["name", "times", "out_h", "taps_h", "c_in", "c_out"]])
                 name  times  out_h  taps_h  c_in  c_out
        0       c0_fc      1      1       1   100  16384
        1  c1_deconv1      4      8       3   256    128
        2  c2_deconv2      4     16       3   128     64
        3  c3_deconv3      4     32       3    64      3
    """
    table = workload(network)
    work = lower(table, method)
    rows = pd.DataFrame({"row": work.layer, **{field: getattr(work, field) for field in _FIELDS}})
    # Phases that differ only in their zeros are identical unless zeros are skipped.
    times = (work.times * work.groups).tolist()
    groups = rows.assign(times=times).groupby(["row", *_FIELDS], sort=False, as_index=False)
    rows = groups["times"].sum()
    layers = table.iloc[rows.pop("row")]
    named = [_named(index, name) for index, name in enumerate(layers["name"])]
    known = {"name": named, "layer": layers["name"].to_numpy(), "kind": layers["kind"].to_numpy()}
    return pd.DataFrame({**known, "times": rows.pop("times"), **rows})


def export(
    network: NetworkLike,
    processor: ProcessorLike,
    folder: str | os.PathLike[str],
    format: str = "scalesim",
    method: str = "sd",
    dataflow: str | None = None,
    batch: int = 1,
    technology: TechnologyLike | None = None,
) -> pd.DataFrame:
    """Write a network, as a processor runs it, in the format of another simulator.

    Args:
        network: what `splitdeconv.dlp.workload` takes.
        processor: name, path or `Processor`; its array, buffers, precision, clock and bandwidth are
            used.
        folder: the target folder, created if it does not exist. Files of the same name are
            replaced.
        format: "scalesim" for SCALE-Sim 3.0.0 (topology.csv, layout.csv, scale.cfg), "zigzag" for
            ZigZag 3.9.1 (workload.yaml, accelerator.yaml, mapping.yaml).
        method: one of `splitdeconv.dlp.lowering.METHODS`.
        dataflow: one of the processor's; None for its first.
        batch: images.
        technology: its energies are written if the format has any; None for the processor's own.

    Returns:
        What `convolutions` returns; it is written to convolutions.csv as well.

    Raises:
        SplitDeconvError: as `convolutions`; an unknown format or dataflow, an array that the format
            cannot describe, or a folder that cannot be created.

    Example:
        >>> import os, tempfile
        >>> import splitdeconv as sd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = sd.dlp.export("dcgan", "pe_array_32x7", folder, format="scalesim")
        ...     print(sorted(os.listdir(folder)))
        ['convolutions.csv', 'layout.csv', 'scale.cfg', 'topology.csv']
    """
    check_choice(format, tuple(FORMATS), "format", "export")
    machine = load_processor(processor)
    flow = check_run(machine, "none", dataflow)
    batch = check_count(batch, "batch", "export")
    rows = convolutions(network, method)
    files = FORMATS[format](rows, machine, flow, batch, technology)
    files["convolutions.csv"] = rows.to_csv(index=False, lineterminator="\n")
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        expected = "a folder, or the name of one that can be created"
        raise SplitDeconvError(
            "the folder cannot be created",
            where="export",
            expected=expected,
            got=f"{target}: {error.strerror}",
        ) from None
    for name, text in files.items():
        with replacing(target / name) as part:
            part.write_text(text, encoding="utf-8")
    return rows


def _named(index: int, name: str) -> str:
    """A name without capitals: SCALE-Sim takes one with "DP" in it for a depthwise layer."""
    return f"c{index}_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
