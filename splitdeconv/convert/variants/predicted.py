"""A processor of the model as a target: the form of each layer by its predicted cycles."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.forms import FILE_FORMS
from ...core.layer import Layer
from ...dlp.processor import Processor, load_processor
from ...dlp.simulate import simulate
from ...errors import SplitDeconvError
from ...formats.site import Site
from ..targets import Predicted, Target

#: The method of the model for each form. Without a transposed convolution, zeros are inserted.
_METHODS = {"split": "sd_trimmed", "rows": "rows", "stacked": "stacked"}


@dataclass(frozen=True)
class Modelled(Target):
    """A target whose rules are the predictions of the processor model.

    Args:
        processor: the processor.
    """

    processor: Processor | None = None

    def predicted(self, site: Site) -> Predicted | None:
        """The form of fewest cycles, native among them; None where none can be predicted."""
        assert self.processor is not None, "a processor is what this target is made of"
        amounts = {form: cycles(site, self.processor, form) for form in ("native", *FILE_FORMS)}
        known = {form: amount for form, amount in amounts.items() if not isinstance(amount, str)}
        if "native" not in known:
            return None
        best = min(known, key=lambda form: known[form])
        operator = "its own operator" if self.processor.native else "inserting zeros"
        evidence = f"predicted by the processor model for {self.processor.name}"
        if best == "native":
            return Predicted(None, f"no form takes fewer cycles than {operator}, {evidence}")
        gain = known["native"] / known[best]
        return Predicted(best, f"{gain:.2f} times the speed of {operator}, {evidence}")


def target_of(path: str | os.PathLike[str]) -> Target:
    """The target that a processor's YAML file stands for.

    Raises:
        SplitDeconvError: it does not describe a valid processor.
    """
    processor = load_processor(Path(path))
    unknown: dict[str, Any] = {"others": "unknown", "others_source": "the model has no operators"}
    return Modelled(processor.name, processor.title, "any", **unknown, processor=processor)


def cycles(site: Site, processor: Processor, form: str) -> float | str:
    """Predicted cycles of a transposed convolution in a form, or why there are none.

    Args:
        site: the transposed convolution; an open batch is one image.
        processor: where it runs. "native" is its own operator or, without one, zero insertion.
        form: "native" or one of `splitdeconv.core.forms.FILE_FORMS`.
    """
    axes = site.axes
    if axes is None or len(axes) > 2:
        return "the processor model computes in one or two dimensions"
    if site.unsized is not None:
        return site.unsized
    try:
        layer = Layer.from_axes(site.name, axes, site.known_channels, groups=site.groups)
        table = pd.DataFrame([layer.row()])
        native = "nzp" if processor.native is None else "native"
        rows = simulate(table, processor, _METHODS.get(form, native), batch=site.batch or 1)
    except SplitDeconvError as error:
        return f"{error.problem}: {error.got}" if error.got else error.problem
    return float(rows["cycles"].iloc[0])
