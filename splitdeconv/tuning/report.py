"""What tuning learnt: what native, the best and the chosen variant of each layer cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..convert.api import Result
from ..convert.report import Report
from ..convert.variants.variant import NATIVE, Variant
from .choose import Choice
from .oracle import Cost

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Layer:
    """One transposed convolution of the model.

    Args:
        name: its name in the file.
        geometry: its axes as text.
        costs: by variant; those of layers of equal geometry are the same.
        choice: what was chosen by cost.
        taken_back: whether the whole model is faster without that choice, so that it stays native.
        differs: where and how the model differs from the original with that choice, so that it
            stays native; None if it does not.
    """

    name: str
    geometry: str
    costs: Mapping[Variant, Cost]
    choice: Choice
    taken_back: bool = False
    differs: str | None = None

    @property
    def variant(self) -> Variant:
        """The variant in the tuned model."""
        return NATIVE if self.taken_back or self.differs else self.choice.variant

    @property
    def reason(self) -> str:
        """Why the layer has this variant, in words."""
        if self.differs:
            return f"unchanged: {self.choice.variant} gives other values ({self.differs})"
        if self.taken_back:
            return "unchanged: taken back, the whole model is not faster with it"
        return self.choice.reason

    def row(self) -> dict[str, Any]:
        """One flat record."""
        native, best = self.costs[NATIVE], self.costs[self.choice.best]
        chosen = self.costs[self.variant]
        return {
            "name": self.name,
            "geometry": self.geometry,
            "native": native.amount,
            "best": str(self.choice.best),
            "best_gain": best.gain,
            "chosen": str(self.variant),
            "amount": chosen.amount,
            "gain": chosen.gain,
            "low": chosen.low,
            "high": chosen.high,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Tuned:
    """A tuned model and what it is based on.

    Args:
        oracle: the name of the oracle.
        unit, evidence, facts: of its amounts, see `splitdeconv.tuning.oracle.Oracle`.
        layers: the transposed convolutions, in the model's order.
        whole: the cost of the tuned model as a whole, with its gain over the original; without an
            amount where nothing changed or it cannot be had.
        result: the conversion, verified by value, or the original if that is kept.
        notes: remarks for the reader.
        compared: what `whole` is about: the "whole model", or "all transposed convolutions".
        target: the name of the oracle's target, see `splitdeconv.tuning.oracle.Oracle`.
    """

    oracle: str
    unit: str
    evidence: str
    facts: Mapping[str, Any]
    layers: tuple[Layer, ...]
    whole: Cost
    result: Result
    notes: tuple[str, ...] = ()
    compared: str = "whole model"
    target: str = "generic"

    @property
    def changed(self) -> int:
        """How many transposed convolutions the tuned model computes in another form."""
        return sum(layer.variant != NATIVE for layer in self.layers)

    @property
    def report(self) -> Report:
        """The `splitdeconv.convert.Report` on the model."""
        return self.result.report

    @property
    def model(self) -> Any:
        """The tuned model, or the original if that is kept; as `splitdeconv.convert.Result`."""
        return self.result.model

    def save(
        self,
        path: str | os.PathLike[str],
        overwrite: bool = False,
        external_data: bool = False,
    ) -> Path:
        """Write the model, completely or not at all; as `splitdeconv.convert.Result.save`.

        Args:
            path: the file.
            overwrite: whether existing files may be replaced.
            external_data: whether all large tensors of an .onnx model go to NAME.data.

        Raises:
            SplitDeconvError: the file cannot be written, or is not an .onnx file.
        """
        return self.result.save(path, overwrite, external_data)

    def rows(self) -> list[dict[str, Any]]:
        """One flat record per transposed convolution."""
        return [layer.row() for layer in self.layers]

    def frame(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame: what native costs, the best and the chosen variant."""
        import pandas

        return pandas.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain, JSON-serializable values, with the version of this schema."""
        return {
            "schema_version": SCHEMA_VERSION,
            "oracle": self.oracle,
            "unit": self.unit,
            "evidence": self.evidence,
            "facts": dict(self.facts),
            "layers": [
                layer.row() | {"costs": {str(v): asdict(cost) for v, cost in layer.costs.items()}}
                for layer in self.layers
            ],
            "compared": self.compared,
            "whole": asdict(self.whole),
            "changed": self.changed,
            "report": self.report.to_dict(),
            "notes": list(self.notes),
        }
