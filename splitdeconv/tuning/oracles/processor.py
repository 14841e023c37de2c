"""The processor model: predicted cycles of a layer on any processor file, `splitdeconv.dlp`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...convert.exchange import Inputs, ModelFile
from ...convert.variants.predicted import cycles
from ...convert.variants.variant import Variant
from ...dlp.processor import load_processor
from ..oracle import Cost, Oracle, Subject, relative
from .compilers import summed


class Modelled(Oracle):
    """A processor of the model.

    Args:
        source: its name, or the path of its YAML file.
    """

    unit, evidence, target, exact = "cycles", "predicted by the processor model", "generic", True
    formats, compared = ("tflite", "onnx", "keras", "pt2"), "all transposed convolutions"

    def __init__(self, source: str) -> None:
        self._processor = load_processor(source)
        self.name = source

    def missing(self) -> str | None:
        return None

    def facts(self) -> dict[str, Any]:
        return {"processor": asdict(self._processor), "technology": self._processor.technology}

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        """All interleaves cost the same: pixels are written as the processor writes them."""
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
        return summed(layers)
