"""The roofline of a processor: what its array and DRAM allow each layer, and what it achieves.

With ``peak`` multiply-accumulates and ``b`` bytes of DRAM per cycle, a layer of ``x`` useful
multiply-accumulates per byte can achieve ``min(peak, x*b)`` useful ones per cycle (Williams et al.,
CACM 52(4), 2009). Only the operations of the original operator count as useful, in every method: a
multiplied zero lowers the achieved rate but not the roof, and a method that avoids it moves its
layers up.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from .chip.summary import summary
from .compare import Variant
from .processor import ProcessorLike, load_processor
from .simulate import simulate
from .workload import NetworkLike


def roofline(
    network: NetworkLike,
    processor: ProcessorLike,
    variants: Iterable[Variant] = (("sd", "none"),),
    baseline: Variant = ("nzp", "none"),
    **options: Any,
) -> pd.DataFrame:
    """Each layer in the roofline, before and after.

    Args:
        network: what `splitdeconv.dlp.workload` takes.
        processor: a name, a path or a `Processor`.
        variants: pairs (method, skip).
        baseline: the (processor method, skip) pair used as the baseline.
        **options: of `splitdeconv.dlp.simulate`.

    Returns:
        DataFrame, one row per variant and layer, those of the baseline first: ``layer``, ``kind``,
            ``processor``, ``method``, ``skip``; ``operational_intensity`` (useful
            multiply-accumulates per byte of DRAM), ``attainable`` and ``achieved`` (useful
            multiply-accumulates per cycle), ``share`` (achieved over attainable; beyond 1 only
            where products with the padding or of cropped outputs, which count as useful, are left
            out), ``bound_by``, and ``operational_intensity_before`` and ``achieved_before``, the
            baseline's.

    Raises:
        SplitDeconvError: as `simulate`.

    Example:
        >>> import splitdeconv as sd
        >>> points = sd.dlp.roofline("dcgan", "pe_array_32x7")
        >>> sd_rows = points[(points.method == "sd") & (points.kind == "deconv")]
        >>> columns = ["layer", "achieved_before", "achieved", "bound_by"]
        >>> print(sd_rows[columns].round(1).to_string(index=False))
          layer  achieved_before  achieved    bound_by
        deconv1             53.6     147.3     compute
        deconv2             50.6     137.8     compute
        deconv3             23.5      62.6 utilisation
    """
    machine = load_processor(processor)
    peak, bandwidth = roof(machine)
    pairs = dict.fromkeys((method, skip) for method, skip in (baseline, *variants))
    runs = [simulate(network, machine, method, skip, **options) for method, skip in pairs]
    before = runs[0][["operational_intensity", "achieved"]].add_suffix("_before")
    points = pd.concat([pd.concat([run, before], axis=1) for run in runs], ignore_index=True)
    points["attainable"] = (points["operational_intensity"] * bandwidth).clip(upper=peak)
    points["share"] = points["achieved"] / points["attainable"]
    points = points.rename(columns={"name": "layer"})
    columns = ["layer", "kind", "processor", "method", "skip", "operational_intensity"]
    columns += ["attainable", "achieved", "share", "bound_by"]
    return points[[*columns, *before.columns]]


def roof(processor: ProcessorLike) -> tuple[int, float]:
    """The two lines: (multiply-accumulates per cycle, bytes of DRAM per cycle).

    They meet where a layer has peak over bandwidth multiply-accumulates per byte.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.roof(sd.dlp.load_processor("pe_array_32x7"))
        (224, 16.0)
    """
    figures = summary(processor)
    return figures["peak_macs"], figures["dram_bytes_per_cycle"]
