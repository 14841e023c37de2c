"""An interactive transposed convolution: its split, its operations and its predicted cost on a
processor.

`account` computes, `draw` draws it, and `explore` ties both to widgets in a notebook. Speed and
energy are predictions of the processor model, `splitdeconv.dlp`, for every form over zero insertion
on the same processor.
"""

from html import escape
from io import BytesIO

import pandas as pd

from .. import dlp
from ..core.arguments import positive
from ..core.layer import Layer
from ..core.plan import auto_form, plan
from ..dlp.traffic import ZEROS
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from ..figures import COLOURS
from .charts.plan import filter_by_phase

#: The forms of a plan that issue convolutions, with the processor model's method that runs the same
#: ones.
METHODS = {
    "nzp": "nzp",
    "paper": "paper",
    "stacked": "stacked",
    "rows": "rows",
    "split": "sd_trimmed",
}
FORMS = ("auto", *reversed(METHODS))
#: A layer of DCGAN, on the paper's 2-D array.
INITIAL = {
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
_LABELS = {
    "size": "input size",
    "in_channels": "channels in",
    "out_channels": "channels out",
    "zeros": "zeros of nzp",
} | {name: name for name in ("kernel", "stride", "padding", "form", "processor")}
_ROW = "<tr><td style='padding-right:1em'>{}</td><td>{}</td></tr>"


def account(
    size, kernel, stride, padding, in_channels, out_channels, form, processor, zeros
) -> pd.DataFrame:
    """Operations, predicted speed and predicted energy of one 2-D transposed convolution in every
    form, batch 1.

    Args:
        size, kernel, stride: in pixels or taps, an int for both axes or a (height, width) pair.
        padding: as for `splitdeconv.plan`.
        in_channels, out_channels: channels of input and output.
        form: the form to look at: one of `FORMS`; "auto" is what the library chooses.
        processor: a name, a path or a `splitdeconv.dlp.Processor`; no zeros are skipped in
            hardware.
        zeros: whether the zeros of zero insertion are "stored" in DRAM or "generated" beside the
            array.

    Returns:
        DataFrame, one row per form of `METHODS`: ``form``, ``chosen`` (whether it is the selected
        one), ``processor``,
        ``zeros``; ``macs`` as `SplitPlan.macs` counts them, ``useful`` and ``exact``
        multiply-accumulates, the same in each row; ``cycles`` with stalls for memory,
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
    planned = _plan(size, kernel, stride, padding)
    counts = planned.macs(in_channels, out_channels)
    layer = _layer(planned, in_channels, out_channels)
    runs = {
        name: dlp.simulate(layer, processor, method, zeros=zeros).loc[0]
        for name, method in METHODS.items()
    }
    base = runs["nzp"]
    chosen = auto_form(planned.axes, out_channels) if form == "auto" else form
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


def draw(table):
    """Bars by form: multiply-accumulates, predicted speedup and predicted energy saving over zero
    insertion.

    Args:
        table: of `account`; the chosen form stands out.

    Returns:
        A matplotlib figure.
    """
    plt = require("matplotlib.pyplot", "notebooks")
    fig, axes = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained", sharey=True)
    chosen, where = table["chosen"].to_numpy(), f"predicted for {table['processor'].iloc[0]}"
    bars = {
        "multiply-accumulates (millions)": (
            table["macs"] / 1e6,
            table["useful"].iloc[0] / 1e6,
            "dashed: useful ones",
        ),
        "speedup over nzp": (table["speedup"], 1, where),
        "energy saved over nzp (%)": (100 * table["energy_saving"], 0, where),
    }
    for ax, (label, (values, line, title)) in zip(axes, bars.items(), strict=True):
        drawn = ax.barh(table["form"], values, color=[COLOURS[form] for form in table["form"]])
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


def explore(**initial):
    """Widgets for the arguments of `account`, with the split, the operations and the prediction
    below them.

    Args:
        **initial: the first choice, if it should differ from `INITIAL`.

    Returns:
        An `Explorer`, which a notebook shows if it is the last expression of a cell.

    Raises:
        SplitDeconvError: ipywidgets or matplotlib is not installed, an unknown argument, or a first
            choice that `account` refuses or that has different lengths by axis.
    """
    for name in initial:
        check_choice(name, tuple(INITIAL), "argument", "explorer.explore")
    choice = INITIAL | initial
    for name in ("size", "kernel", "stride"):
        positive(choice[name], name)
    account(**choice)
    return Explorer(choice)


class Explorer:
    """The widgets and what they show. An invalid choice shows only the error, until it is changed.

    Args:
        choice: arguments of `account`, by name.

    Attributes:
        controls: dict of argument to its widget; setting a widget's `value` shows the new choice.
        message: HTML widget: the account in words, or the refusal.
        pictures: image widgets: the split, and the bars of `draw`.
        details: HTML widget: the plan as it prints.
        box: all of it in one widget.
    """

    def __init__(self, choice):
        widgets = require("ipywidgets", "notebooks")
        self.controls = _controls(widgets, choice)
        self.message, self.details = widgets.HTML(), widgets.HTML()
        self.pictures = [
            widgets.Image(layout={"width": "100%", "max_width": "860px"}) for _ in range(2)
        ]
        left = widgets.VBox(list(self.controls.values()), layout={"flex": "0 0 300px"})
        right = widgets.VBox(
            [self.message, *self.pictures, self.details], layout={"flex": "1 1 0", "min_width": "0"}
        )
        self.box = widgets.HBox([left, right])
        self._drawn = None
        for control in self.controls.values():
            control.observe(self._update, "value")
        self._update()

    def _repr_mimebundle_(self, **options):
        return self.box._repr_mimebundle_(**options)

    def _update(self, _=None):
        choice = {name: control.value for name, control in self.controls.items()}
        geometry = [choice[name] for name in ("size", "kernel", "stride", "padding")]
        try:
            table = account(**choice)
        except SplitDeconvError as error:
            self._show(_refusal(error), "", "none")
            return
        planned = _plan(*geometry)
        if planned != self._drawn:
            self.pictures[0].value = _png(filter_by_phase(planned)[0])
            self._drawn = planned
        self.pictures[1].value = _png(draw(table))
        (form,) = table[table["chosen"]]["form"]
        plan_text = escape(str(_plan(*geometry, form)))
        self._show(
            _words(table, planned, choice), f"<pre style='line-height:1.35'>{plan_text}</pre>", None
        )

    def _show(self, message, details, display):
        self.message.value, self.details.value = message, details
        for picture in self.pictures:
            picture.layout.display = display


def _plan(size, kernel, stride, padding, form="split"):
    return plan(
        size if isinstance(size, tuple | list) else (size, size), kernel, stride, padding, form=form
    )


def _layer(planned, in_channels, out_channels):
    """The plan as a table of one layer, as the processor model reads it."""
    if len(planned.axes) != 2:
        raise SplitDeconvError(
            "the processor model computes in two dimensions",
            where="explorer",
            expected="a size of 2 lengths",
            got=f"{len(planned.axes)} lengths",
        )
    layer = Layer.from_axes("layer", planned.axes, (in_channels, out_channels))
    return pd.DataFrame([layer.row()])


def _controls(widgets, choice):
    """A widget for each argument of `account`, set to the value in `choice`."""
    longest = {"size": 128, "kernel": 16, "stride": 8}
    paddings = ("SAME", "VALID", *(((n, n), (n, n)) for n in range(1, 5)))
    offered = {"padding": paddings, "form": FORMS, "processor": dlp.processors(), "zeros": ZEROS}
    controls = {}
    for name, value in choice.items():
        # A choice is drawn when it is complete, not at each intermediate step.
        kind, options = widgets.IntText, {"continuous_update": False}
        if name in longest:
            kind, options = (
                widgets.IntSlider,
                options | {"min": 1, "max": max(longest[name], value)},
            )
        elif name in offered:
            values = [*offered[name], *(() if value in offered[name] else (value,))]
            kind, options = widgets.Dropdown, {"options": [(_label(each), each) for each in values]}
        layout, style = {"width": "290px"}, {"description_width": "90px"}
        controls[name] = kind(
            value=value, description=_LABELS[name], layout=layout, style=style, **options
        )
    return controls


def _label(value):
    if isinstance(value, tuple | list):
        return "crop " + " ".join(f"{before}:{end}" for before, end in value)
    return getattr(value, "name", str(value))


def _words(table, planned, choice):
    """The account of the chosen form as HTML."""
    rows = table.set_index("form")
    (name,) = rows.index[rows["chosen"]]
    chosen, base = rows.loc[name], rows.loc["nzp"]
    processor = dlp.load_processor(choice["processor"])
    shapes = (
        "x".join(
            map(
                str, (*(getattr(axis, letter) for axis in planned.axes), choice[f"{side}_channels"])
            )
        )
        for letter, side in (("n", "in"), ("o", "out"))
    )
    saving = chosen["energy_saving"]
    saved = f"{abs(saving):.1%} {'less' if saving >= 0 else 'more'} energy"
    by_library = ", which the library chooses" if choice["form"] == "auto" else ""
    facts = {
        " &rarr; ".join(shapes): f"form <b>{name}</b>{by_library}",
        "multiply-accumulates": f"<b>{chosen['macs']:,}</b>; by zero insertion {base['macs']:,}; "
        f"useful {chosen['useful']:,}",
        "predicted": f"<b>{chosen['speedup']:.2f} times</b> the speed of zero insertion, "
        f"<b>{saved}</b>",
        escape(processor.title): f"{chosen['latency_us']:,.1f} us, "
        f"bound by {chosen['bound_by']}: {chosen['why']}",
    }
    rows = "".join(_ROW.format(*fact) for fact in facts.items())
    return f"<table style='line-height:1.5'>{rows}</table>"


def _refusal(error):
    style = "border-left:4px solid #D55E00; padding:0.4em 1em; white-space:pre-wrap"
    return f"<pre style='{style}'>{escape(str(error))}</pre>"


def _short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _png(figure):
    """A figure's bytes. It is closed, or the notebook would show it a second time."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    require("matplotlib.pyplot", "notebooks").close(figure)
    return buffer.getvalue()
