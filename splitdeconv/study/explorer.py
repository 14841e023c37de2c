"""An interactive transposed convolution: its split, its operations and its predicted cost.

`account` computes, `draw` draws it, and `explore` ties both to widgets in a notebook.
"""

from collections.abc import Mapping
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from .. import dlp
from ..core.arguments import positive
from ..core.plan import SplitPlan
from ..dlp.traffic import ZEROS
from ..errors import SplitDeconvError, check_choice
from ..extras import require
from .account import FORMS, INITIAL, METHODS, account, draw, planned_in
from .charts.plan import filter_by_phase

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
        box: all of it in one widget.
    """

    def __init__(self, choice: Choice) -> None:
        widgets = require("ipywidgets", "notebooks")
        self.controls = _controls(widgets, choice)
        self.message, self.details = widgets.HTML(), widgets.HTML()
        wide = {"width": "100%", "max_width": "860px"}
        self.pictures = [widgets.Image(layout=wide) for _ in range(2)]
        left = widgets.VBox(list(self.controls.values()), layout={"flex": "0 0 300px"})
        shown = [self.message, *self.pictures, self.details]
        right = widgets.VBox(shown, layout={"flex": "1 1 0", "min_width": "0"})
        self.box = widgets.HBox([left, right])
        self._drawn: SplitPlan | None = None
        for control in self.controls.values():
            control.observe(self._update, "value")
        self._update()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)

    def _update(self, _: object = None) -> None:
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
        layout, style = {"width": "290px"}, {"description_width": "90px"}
        controls[name] = kind(
            value=value, description=_LABELS[name], layout=layout, style=style, **options
        )
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


def _refusal(error: SplitDeconvError) -> str:
    style = "border-left:4px solid #D55E00; padding:0.4em 1em; white-space:pre-wrap"
    return f"<pre style='{style}'>{escape(str(error))}</pre>"


def _png(figure: "Figure") -> bytes:
    """A figure's bytes. It is closed, or the notebook would show it a second time."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    require("matplotlib.pyplot", "notebooks").close(figure)
    return buffer.getvalue()
