"""How much faster a method is than the baseline, over the transposed convolutions of a network: cycles only."""

from ..errors import SplitDeconvError
from .cycles import compute_cycles, real_macs
from .lowering import lower


def speedup(table, processor, method, skip="none", dataflow=None, batch=1, baseline="nzp", baseline_skip="none"):
    """Cycles of the baseline over cycles of the method, in the transposed convolutions alone, without memory.

    Args:
        table: a table of layers, as `splitdeconv.networks.layer_table` returns it.
        processor, skip, dataflow, batch: as for `compute_cycles`.
        method, baseline: of `splitdeconv.dlp.lowering.METHODS`.
        baseline_skip: what the baseline skips.

    Returns:
        A float, or an array of the processors' shape.

    Raises:
        SplitDeconvError: as `lower` and `compute_cycles`, or there are no transposed convolutions.

    Example:
        >>> import splitdeconv as sd
        >>> table = sd.networks.layer_table("dcgan")
        >>> float(round(sd.dlp.speedup(table, sd.dlp.load_processor("pe_array_32x7"), "sd", skip="WA"), 2))
        3.89
    """
    table = _transposed(table)
    runs = ((baseline, baseline_skip), (method, skip))
    before, after = (
        (work.times * compute_cycles(work, processor, skipped, dataflow, batch)).sum(-1)
        for work, skipped in ((lower(table, name), skipped) for name, skipped in runs)
    )
    return before / after


def mac_limit(table):
    """Multiplications of zero insertion over those that touch two real operands: what skipping every zero would bring.

    Arguments and errors as for `speedup`.

    Example:
        >>> import splitdeconv as sd
        >>> float(round(sd.dlp.mac_limit(sd.networks.layer_table("dcgan")), 2))
        4.47
    """
    work = lower(_transposed(table), "nzp")
    issued = work.out_h * work.out_w * work.taps_h * work.taps_w * work.c_in * work.c_out * work.groups
    return issued.sum() / real_macs(work).sum()


def _transposed(table):
    chosen = table[table["kind"] == "deconv"]
    if chosen.empty:
        raise SplitDeconvError(
            "there is nothing to compare",
            where="speedup",
            expected="a network with transposed convolutions",
            got=f"{len(table)} layers of kind {', '.join(sorted(set(table['kind']))) or 'none'}",
        )
    return chosen
