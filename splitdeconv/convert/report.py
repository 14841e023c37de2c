"""The results of a conversion: decisions, verification and report, as JSON-serializable records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.forms import COUNTS
from ..core.geometry import Axis
from ..core.kernels import Kernels
from ..formats.site import Decision, Folded, Site
from .verify.difference import Output

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Verification:
    """The result of a comparison; true if everything agrees.

    Args:
        passed: whether every output agrees.
        outputs: one `Output` per output of the model, or per operator if run in isolation.
        method: "model" for whole models, "operators" for rewritten operators in isolation, or
            "model and operators".
        samples: how many inputs were run.
        seed: seed of the synthetic inputs.
        notes: remarks for the reader.
    """

    passed: bool
    outputs: tuple[Output, ...]
    method: str
    samples: int
    seed: int
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {**vars(self), "outputs": [output.to_dict() for output in self.outputs]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Verification:
        """Rebuild the verification from the result of `to_dict`."""
        outputs = tuple(map(Output.from_dict, content["outputs"]))
        return cls(**{**content, "outputs": outputs, "notes": tuple(content["notes"])})


@dataclass(frozen=True)
class Report:
    """What a conversion found, decided and changed.

    Args:
        format: "tflite", "onnx" or "keras".
        target: name of the target.
        decisions: one per transposed convolution, in the model's order.
        operators_before, operators_after: how many of each operator the model contains.
        bytes_before, bytes_after: file size; None for a model in memory.
        arena_before, arena_after: peak size of the TFLite interpreter's memory arena in bytes; None
            for other formats.
        objections: (operator, reason) for operators in the result that the target would refuse.
        verification: the `Verification`; None if it was not requested or nothing was converted.
        notes: other remarks for the reader.
    """

    format: str
    target: str
    decisions: tuple[Decision, ...]
    operators_before: dict[str, int]
    operators_after: dict[str, int] = field(default_factory=dict)
    bytes_before: int | None = None
    bytes_after: int | None = None
    arena_before: int | None = None
    arena_after: int | None = None
    objections: tuple[tuple[str, str], ...] = ()
    verification: Verification | None = None
    notes: tuple[str, ...] = ()

    @property
    def converted(self) -> int:
        """How many transposed convolutions were rewritten."""
        return self.count("convert")

    @property
    def folded(self) -> int:
        """How many operators behind transposed convolutions were folded into them or moved."""
        return sum(len(decision.folded) for decision in self.decisions)

    def count(self, verdict: str) -> int:
        """How many decisions have this verdict."""
        return sum(decision.verdict == verdict for decision in self.decisions)

    def rows(self) -> list[dict[str, Any]]:
        """One flat record per transposed convolution."""
        return [decision.row() for decision in self.decisions]

    def frame(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame; counts are integers or missing."""
        import pandas

        columns = list(Decision(Site("", "", None, 1, None, None, ""), "", None, None, "").row())
        frame = pandas.DataFrame(self.rows(), columns=columns)
        whole = ("groups", "in_channels", "out_channels", "batch", *COUNTS)
        return frame.astype(dict.fromkeys(whole, "Int64") | {"padding_cost": "Float64"})

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain, JSON-serializable values, with the version of this schema."""
        content = dict(vars(self))
        decisions, verification = content.pop("decisions"), content.pop("verification")
        return {
            "schema_version": SCHEMA_VERSION,
            **content,
            "layers": [_layer(decision) for decision in decisions],
            "verification": None if verification is None else verification.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Rebuild the report from the result of `to_dict`."""
        content = dict(content)
        verification, layers = content.pop("verification"), content.pop("layers")
        content.pop("schema_version")
        return cls(
            **content
            | {
                "decisions": tuple(map(_decision, layers)),
                "objections": tuple(map(tuple, content["objections"])),
                "notes": tuple(content["notes"]),
                "verification": verification and Verification.from_dict(verification),
            }
        )

    def with_(self, **changes: Any) -> Report:
        """A copy with some fields changed."""
        return replace(self, **changes)


def _layer(decision: Decision) -> dict[str, Any]:
    """A decision as plain values."""
    site = decision.site
    axes = None if site.axes is None else [asdict(axis) for axis in site.axes]
    folded = [asdict(one) for one in decision.folded]
    kernels = None if decision.kernels is None else decision.kernels.plain()
    more = {"axes": axes, "problem": site.problem, "bound": site.bound, "folded": folded}
    return decision.row() | more | {"kernels": kernels}


def _decision(layer: Mapping[str, Any]) -> Decision:
    """Rebuild a decision from one of the layers in the result of `to_dict`."""
    axes = layer["axes"] and tuple(Axis(**axis) for axis in layer["axes"])
    numbers = ("groups", "in_channels", "out_channels", "batch")
    names = ("name", "operator", "dtype", "problem", "bound", *numbers)
    counts = {name: layer[name] for name in COUNTS}
    site = Site(axes=axes, counts=counts, **{name: layer[name] for name in names})
    decided = {name: layer[name] for name in ("verdict", "form", "interleave", "reason")}
    folded = tuple(Folded(**one) for one in layer["folded"])
    kernels = layer["kernels"] and Kernels.of(layer["kernels"], "kernels")
    return Decision(site, **decided, folded=folded, kernels=kernels)
