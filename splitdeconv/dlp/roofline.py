"""The roofline of a processor: what its multipliers and its DRAM allow each layer, and what the
layer achieves.

With ``peak`` multiply-accumulates and ``b`` bytes of DRAM per cycle, a layer of ``x`` useful
multiply-accumulates per byte can achieve ``min(peak, x*b)`` useful ones per cycle (Williams et al.,
CACM 52(4), 2009). Only the operations of the original operator count as useful, in every method: a
multiplied zero lowers the achieved rate but not the roof, and a method that avoids it moves its
layers up.
"""

import pandas as pd

from .processor import load_processor
from .simulate import simulate


def roofline(
    network, processor, variants=(("sd", "none"),), baseline=("nzp", "none"), **options
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
    processor = load_processor(processor)
    peak, bandwidth = roof(processor)
    pairs = dict.fromkeys([tuple(baseline), *map(tuple, variants)])
    runs = [simulate(network, processor, method, skip, **options) for method, skip in pairs]
    before = runs[0][["operational_intensity", "achieved"]].add_suffix("_before")
    points = pd.concat([pd.concat([run, before], axis=1) for run in runs], ignore_index=True)
    points["attainable"] = (points["operational_intensity"] * bandwidth).clip(upper=peak)
    points["share"] = points["achieved"] / points["attainable"]
    points = points.rename(columns={"name": "layer"})
    columns = [
        "layer",
        "kind",
        "processor",
        "method",
        "skip",
        "operational_intensity",
        "attainable",
        "achieved",
    ]
    return points[[*columns, "share", "bound_by", *before.columns]]


def roof(processor):
    """(multiply-accumulates per cycle, bytes of DRAM per cycle): the two lines; they meet at peak
    over bandwidth.

    Example:
        >>> import splitdeconv as sd
        >>> sd.dlp.roof(sd.dlp.load_processor("pe_array_32x7"))
        (224, 16.0)
    """
    processor = load_processor(processor)
    return processor.peak, processor.dram_gb_s * 1e3 / processor.clock_mhz
