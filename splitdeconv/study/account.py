"""One transposed convolution in every form: its operations and its predicted cost on a processor.

Speed and energy are predictions of the processor model, `splitdeconv.dlp`, of every form, relative
to zero insertion on the same processor.
"""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import dlp
from ..core.forms import COMPUTED_FORMS
from ..core.layer import Layer
from ..core.plan import SplitPlan, plan
from ..core.typing import Padding, PerAxis
from ..dlp.processor import ProcessorLike
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from ..figures import COLOURS
from .charts.methods import method_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The forms of a plan that issue convolutions, and the processor model's method for each.
METHODS = {form: {"split": "sd_trimmed"}.get(form, form) for form in reversed(COMPUTED_FORMS)}
FORMS = ("auto", *reversed(METHODS))
#: A layer of DCGAN, on the paper's 2-D array.
INITIAL: dict[str, Any] = {
    "size": 16,
    "kernel": 5,
    "stride": 2,
    "padding": "SAME",
    "in_channels": 128,
    "out_channels": 64,
    "form": "auto",
    "processor": "pe_array_32x7",
    "zeros": "generated",
}


def account(
    size: PerAxis,
    kernel: PerAxis,
    stride: PerAxis,
    padding: Padding,
    in_channels: int,
    out_channels: int,
    form: str,
    processor: ProcessorLike,
    zeros: str,
) -> pd.DataFrame:
    """Operations, speed and energy of one 2-D transposed convolution in every form, batch 1.

    Args:
        size, kernel, stride: in pixels or taps, an int for both axes or a (height, width) pair.
        padding: as for `splitdeconv.plan`.
        in_channels, out_channels: channels of input and output.
        form: the form to highlight: one of `FORMS`; "auto" is the one with the fewest cycles on the
            processor and, among several, the least energy.
        processor: a name, a path or a `splitdeconv.dlp.Processor`; no zeros are skipped in
            hardware.
        zeros: whether the zeros of zero insertion are "stored" in DRAM or "generated" beside the
            array.

    Returns:
        DataFrame, one row per form of `METHODS`: ``form``, ``chosen`` (whether it is the selected
            one), ``processor``, ``zeros``; ``macs`` as `SplitPlan.macs` counts them, ``useful`` and
            ``exact`` multiply-accumulates, the same in each row; ``cycles`` with stalls for memory,
            ``latency_us``, ``energy_uj``, ``bound_by`` and ``why`` of `splitdeconv.dlp.simulate`;
            ``speedup`` (cycles of "nzp" over cycles) and ``energy_saving`` (1 - energy over that of
            "nzp").

    Raises:
        SplitDeconvError: as `splitdeconv.plan`, `SplitPlan.macs` and `splitdeconv.dlp.simulate`; an
            unknown form.

    >>> table = account(**INITIAL)
    >>> table.loc[table["chosen"], ["form", "macs", "bound_by"]].to_numpy().tolist()
    [['split', 52428800, 'compute']]
    """
    check_choice(form, FORMS, "form")
    planned = planned_in("split", size, kernel, stride, padding)
    counts = planned.macs(in_channels, out_channels)
    layer = _layer(planned, in_channels, out_channels)
    runs = {
        name: dlp.simulate(layer, processor, method, zeros=zeros).loc[0]
        for name, method in METHODS.items()
    }
    base = runs["nzp"]
    chosen = min(runs, key=lambda name: _cost(runs[name])) if form == "auto" else form
    return pd.DataFrame(
        {
            "form": name,
            "chosen": name == chosen,
            **run[["processor", "zeros"]],
            "macs": counts[name],
            "useful": counts["useful"],
            "exact": counts["exact"],
            **run[["cycles", "latency_us", "bound_by", "why"]],
            "energy_uj": run["energy_pj"] / 1e6,
            "speedup": base["cycles"] / run["cycles"],
            "energy_saving": 1 - run["energy_pj"] / base["energy_pj"],
        }
        for name, run in runs.items()
    )


def _cost(run: pd.Series) -> tuple[float, float]:
    return run["cycles"], run["energy_pj"]


def draw(table: pd.DataFrame) -> "Figure":
    """Bars by form: operations, and predicted speedup and energy saving over zero insertion.

    Args:
        table: of `account`; the chosen form stands out.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), layout="constrained", sharey=True)
    chosen, where = table["chosen"].to_numpy(), f"predicted for {table['processor'].iloc[0]}"
    bars = {
        "multiply-accumulates (millions)": (
            table["macs"] / 1e6,
            table["useful"].iloc[0] / 1e6,
            "dashed: useful ones",
        ),
        "speedup over zero insertion": (table["speedup"], 1, where),
        "energy saved over zero insertion (%)": (100 * table["energy_saving"], 0, where),
    }
    for ax, (label, (values, line, title)) in zip(axes, bars.items(), strict=True):
        names = [fill(method_name(form), 16) for form in table["form"]]
        drawn = ax.barh(names, values, color=[COLOURS[form] for form in table["form"]])
        for bar, is_chosen in zip(drawn, chosen, strict=True):
            bar.set_alpha(1 if is_chosen else 0.45)
        ax.bar_label(drawn, map(_short, values), padding=3, fontsize=9)
        ax.axvline(line, color="0.3", lw=1, ls="--" if ax is axes[0] else "-")
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(label)
        ax.margins(x=0.24)
        ax.locator_params(axis="x", nbins=4)
    for tick, is_chosen in zip(axes[0].get_yticklabels(), chosen, strict=True):
        tick.set_fontweight("bold" if is_chosen else "normal")
    return fig


def planned_in(
    form: str, size: PerAxis, kernel: PerAxis, stride: PerAxis, padding: Padding
) -> SplitPlan:
    """The plan of a 2-D transposed convolution in a form; as for `account`."""
    lengths = tuple(size) if isinstance(size, Sequence) else (size, size)
    return plan(lengths, kernel, stride, padding, form=form)


def _layer(planned: SplitPlan, in_channels: int, out_channels: int) -> pd.DataFrame:
    """The plan as a table of one layer, as the processor model reads it."""
    if len(planned.axes) != 2:
        raise SplitDeconvError(
            "the processor model computes in two dimensions",
            where="size",
            expected="a size of 2 lengths",
            got=f"{len(planned.axes)} lengths",
        )
    layer = Layer.from_axes("layer", planned.axes, (in_channels, out_channels))
    return pd.DataFrame([layer.row()])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
