"""An interactive transposed convolution: its split, its operations and its predicted cost.

`account` computes, `draw` draws it, and `explore` ties both to widgets in a notebook.
"""

from collections.abc import Mapping
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from .. import dlp, networks
from ..core.arguments import positive
from ..core.plan import SplitPlan, auto_form
from ..dlp.traffic import ZEROS
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from .account import FORMS, INITIAL, METHODS, account, draw, planned_in
from .charts.plan import filter_by_phase
from .charts.still import still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMS", "INITIAL", "METHODS", "Explorer", "account", "draw", "explore"]
#: Arguments of `account`, by name.
Choice: TypeAlias = Mapping[str, Any]
_LABELS = {
    "size": "input size",
    "in_channels": "channels in",
    "out_channels": "channels out",
    "zeros": "zeros of nzp",
} | {name: name for name in ("kernel", "stride", "padding", "form", "processor")}
_LOOK: dict[str, Any] = {
    "layout": {"width": "290px"},
    "style": {"description_width": "90px"},
}
# Strides up to which the parts of a filter are drawn in a moment.
_MOST_STRIDE = 8
# The widgets' pictures in words; their numbers are in the message.
_PICTURES = (
    "The filter, each tap in the colour of the output phase that it serves, and the small filters "
    "that it falls into.",
    "Bars for each form: multiply-accumulates, speedup and energy saved over zero insertion; the "
    "chosen form stands out.",
)
_ROW = "<tr><td style='padding-right:1em'>{}</td><td>{}</td></tr>"


def explore(**initial: Any) -> "Explorer":
    """Widgets for the arguments of `account`, and what it says of them.

    Args:
        **initial: the first choice, if it should differ from `INITIAL`.

    Returns:
        An `Explorer`, which a notebook shows if it is the last expression of a cell.

    Raises:
        SplitDeconvError: ipywidgets or matplotlib is not installed, an unknown argument, or a first
            choice that `account` refuses or that has different lengths by axis.
    """
    for name in initial:
        check_choice(name, tuple(INITIAL), "argument")
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
        presets: dropdown of the benchmark's layers; a choice sets the other widgets.
        box: all of it in one widget.
    """

    def __init__(self, choice: Choice) -> None:
        widgets = require("ipywidgets", "notebooks")
        self.controls = _controls(widgets, choice)
        self.message, self.details = widgets.HTML(), widgets.HTML()
        wide = {"width": "100%", "max_width": "860px"}
        self.pictures = [widgets.Image(layout=wide) for _ in range(2)]
        own = ("a layer of a network", None)
        self.presets = widgets.Dropdown(
            options=[own, *presets().items()], description="preset", **_LOOK
        )
        controls = [self.presets, *self.controls.values()]
        left = widgets.VBox(controls, layout={"flex": "0 0 300px"})
        shown = [self.message, *self.pictures, self.details]
        right = widgets.VBox(shown, layout={"flex": "1 1 0", "min_width": "0"})
        self.box = widgets.HBox([left, right])
        self._drawn: SplitPlan | None = None
        self._waits = False
        for control in self.controls.values():
            control.observe(self._update, "value")
        self.presets.observe(self._preset, "value")
        self._update()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if hasattr(self.box, "_repr_mimebundle_"):
            widgets = self.box._repr_mimebundle_(**options)
        else:  # ipywidgets before 8, as Colab has it
            view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
            widgets = {"application/vnd.jupyter.widget-view+json": view, "text/plain": "explorer"}
        # Whatever shows widgets prefers them; on a page without a kernel the still remains.
        return widgets | {"text/html": self._still()}

    def _still(self) -> str:
        """What the widgets show now, as a page of its own."""
        chosen = {
            control.description: str(getattr(control, "label", control.value))
            for control in (self.presets, *self.controls.values())
        }
        shown = [(p.value, words) for p, words in zip(self.pictures, _PICTURES, strict=True)]
        hidden = self.pictures[0].layout.display == "none"
        return still(chosen, self.message.value, [] if hidden else shown, self.details.value)

    def _preset(self, _: object) -> None:
        """Set the other widgets, and show the layer once it is complete."""
        if self.presets.value is None:
            return
        self._waits = True
        for name, value in self.presets.value.items():
            control = self.controls[name]
            if hasattr(control, "max"):
                control.max = max(control.max, value)
            elif hasattr(control, "options") and value not in dict(control.options).values():
                control.options = [*control.options, (_label(value), value)]
            control.value = value
        self._waits = False
        self._update()

    def _update(self, _: object = None) -> None:
        if self._waits:
            return
        choice = {name: control.value for name, control in self.controls.items()}
        geometry = [choice[name] for name in ("size", "kernel", "stride", "padding")]
        try:
            table = account(**choice)
        except SplitDeconvError as error:
            self._show(_refusal(error), "", "none")
            return
        planned = planned_in("split", *geometry)
        if planned != self._drawn:
            self.pictures[0].value = _png(filter_by_phase(planned)[0])
            self._drawn = planned
        self.pictures[1].value = _png(draw(table))
        (form,) = table[table["chosen"]]["form"]
        plan_text = escape(str(planned_in(form, *geometry)))
        details = f"<pre style='line-height:1.35'>{plan_text}</pre>"
        self._show(_words(table, planned, choice), details, None)

    def _show(self, message: str, details: str, display: str | None) -> None:
        self.message.value, self.details.value = message, details
        for picture in self.pictures:
            picture.layout.display = display


def presets() -> dict[str, dict[str, Any]]:
    """Arguments of `account` by name of the layer: the benchmark's square transposed convolutions.

    MDE's maps are not square, and the FCNs' last strides of 16 and 32 have too many parts to draw.
    """
    layers: dict[str, dict[str, Any]] = {}
    for network, title in networks.titles().items():
        table = networks.layer_table(network)
        for row in table[table["kind"] == "deconv"].itertuples():
            square = row.in_h == row.in_w and row.k_h == row.k_w and row.stride_h == row.stride_w
            if not square or row.stride_h > _MOST_STRIDE or row.padding not in ("SAME", "VALID"):
                continue
            layers[f"{title} {row.name}"] = {
                "size": int(row.in_h),
                "kernel": int(row.k_h),
                "stride": int(row.stride_h),
                "padding": row.padding,
                "in_channels": int(row.c_in),
                "out_channels": int(row.c_out),
            }
    return layers


def _controls(widgets: Any, choice: Choice) -> dict[str, Any]:
    """A widget for each argument of `account`, set to the value in `choice`."""
    longest = {"size": 128, "kernel": 16, "stride": 8}
    paddings = ("SAME", "VALID", *(((n, n), (n, n)) for n in range(1, 5)))
    offered = {"padding": paddings, "form": FORMS, "processor": dlp.processors(), "zeros": ZEROS}
    controls: dict[str, Any] = {}
    for name, value in choice.items():
        # A choice is drawn when it is complete, not at each intermediate step.
        kind = widgets.IntText
        options: dict[str, Any] = {"continuous_update": False}
        if name in longest:
            kind = widgets.IntSlider
            options |= {"min": 1, "max": max(longest[name], value)}
        elif name in offered:
            values = [*offered[name], *(() if value in offered[name] else (value,))]
            kind, options = widgets.Dropdown, {"options": [(_label(each), each) for each in values]}
        controls[name] = kind(value=value, description=_LABELS[name], **_LOOK, **options)
    return controls


def _label(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "crop " + " ".join(f"{before}:{end}" for before, end in value)
    return getattr(value, "name", str(value))


def _words(table: pd.DataFrame, planned: SplitPlan, choice: Choice) -> str:
    """The account of the chosen form as HTML."""
    rows = table.set_index("form")
    (name,) = rows.index[rows["chosen"]]
    chosen, base = rows.loc[name], rows.loc["nzp"]
    processor = dlp.load_processor(choice["processor"])
    inputs = [*(axis.n for axis in planned.axes), choice["in_channels"]]
    outputs = [*(axis.o for axis in planned.axes), choice["out_channels"]]
    shapes = ("x".join(map(str, lengths)) for lengths in (inputs, outputs))
    saving = chosen["energy_saving"]
    saved = f"{abs(saving):.1%} {'less' if saving >= 0 else 'more'} energy"
    why = f", the fastest on {escape(processor.title)}" if choice["form"] == "auto" else ""
    default = auto_form(planned.axes, choice["out_channels"])
    if why and name != default:
        why += f"; the library, which knows no processor, would take {default}"
    facts = {
        " &rarr; ".join(shapes): f"form <b>{name}</b>{why}",
        "multiply-accumulates": f"<b>{chosen['macs']:,}</b>; by zero insertion {base['macs']:,}; "
        f"useful {chosen['useful']:,}",
        "predicted": f"<b>{chosen['speedup']:.2f} times</b> the speed of zero insertion, "
        f"<b>{saved}</b>",
        escape(processor.title): f"{chosen['latency_us']:,.1f} us, "
        f"bound by {chosen['bound_by']}: {chosen['why']}",
    }
    rows = "".join(_ROW.format(*fact) for fact in facts.items())
    return f"<table style='line-height:1.5'>{rows}</table>"


def _refusal(error: SplitDeconvError) -> str:
    style = "border-left:4px solid #D55E00; padding:0.4em 1em; white-space:pre-wrap"
    return f"<pre style='{style}'>{escape(str(error))}</pre>"


def _png(figure: "Figure") -> bytes:
    """A figure's bytes. It is closed, or the notebook would show it a second time."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    require("matplotlib.pyplot", "notebooks").close(figure)
    return buffer.getvalue()
