"""The processor model: predicted cycles of a layer on any processor file, `splitdeconv.dlp`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ...convert.exchange import Inputs, ModelFile
from ...convert.variants import Variant
from ...core.layer import Layer
from ...dlp.processor import Processor, load_processor
from ...dlp.simulate import simulate
from ...errors import SplitDeconvError
from ...formats.site import Site
from ..oracle import Cost, Oracle, Subject, relative
from .compilers import summed

#: The method of the model for each form. Without a transposed convolution, zeros are inserted.
_METHODS = {"split": "sd_trimmed", "rows": "rows", "stacked": "stacked"}


class Modelled(Oracle):
    """A processor of the model.

    Args:
        source: its name, or the path of its YAML file.
    """

    unit, evidence, target, exact = "cycles", "predicted by the processor model", "generic", True
    formats = ("tflite", "onnx", "keras")

    def __init__(self, source: str) -> None:
        self._processor = load_processor(source)
        self.name = source

    def missing(self) -> str | None:
        return None

    def facts(self) -> dict[str, Any]:
        return {"processor": asdict(self._processor), "technology": self._processor.technology}

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        """Interleaves are not told apart: pixels are written as the processor writes them."""
        by_form: dict[str, float | str] = {}
        for form in dict.fromkeys(variant.form for variant in subject.variants):
            by_form[form] = cycles(subject.site, self._processor, form)
        amounts = {variant: by_form[variant.form] for variant in subject.variants}
        return relative(amounts) | subject.barred()

    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        return summed(layers, "of the transposed convolutions alone")


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
    try:
        layer = Layer.from_axes(site.name, axes, site.known_channels, groups=site.groups)
        table = pd.DataFrame([layer.row()])
        native = "nzp" if processor.native is None else "native"
        rows = simulate(table, processor, _METHODS.get(form, native), batch=site.batch or 1)
    except SplitDeconvError as error:
        return f"{error.problem}: {error.got}" if error.got else error.problem
    except (TypeError, ValueError):
        return "its sizes are only known at run time (--input-shape fixes them)"
    return float(rows["cycles"].iloc[0])
