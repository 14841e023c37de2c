"""The interface of everything that can tell what a transposed convolution costs."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..convert.exchange import Inputs, ModelFile
from ..convert.variants.variant import NATIVE, Variant
from ..formats.site import Site


@dataclass(frozen=True)
class Cost:
    """What one variant of a layer, or a whole model, costs.

    Args:
        amount: in the oracle's unit, per image of the layer's batch; None if it is unknown.
        gain: how many times the cost of native this is below it; None without both.
        low, high: the interval of the gain; the gain itself where the oracle always answers alike;
            None where it was measured too shortly to decide by.
        reason: why there is no amount, or no interval.
    """

    amount: float | None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str) -> Cost:
        """No cost, and why."""
        return cls(None, reason=reason)


@dataclass(frozen=True)
class Subject:
    """One transposed convolution, alone, in the variants it can have.

    Args:
        site: the transposed convolution.
        files: a model of it alone by variant; empty for formats without a runtime of their own.
        reasons: the variants that cannot be made, and why.
        variants: all that can be asked for, native first.
    """

    site: Site
    variants: tuple[Variant, ...]
    files: Mapping[Variant, Path]
    reasons: Mapping[Variant, str]

    def barred(self) -> dict[Variant, Cost]:
        """The variants that cannot be made of a layer that can be cut out."""
        cut = NATIVE in self.files
        return {v: Cost.missing(reason) for v, reason in self.reasons.items() if cut}

    def unsized(self, most_axes: int) -> dict[Variant, Cost]:
        """The reason in every variant if the layer has open sizes or too many axes; else empty."""
        reason = self.site.unsized
        rank = len(self.site.known_axes)
        if reason is None and rank > most_axes:
            reason = f"it has {rank} spatial axes; this oracle judges at most {most_axes}"
        return {} if reason is None else dict.fromkeys(self.variants, Cost.missing(reason))


class Oracle(Protocol):
    """Costs layers on one processor.

    Attributes:
        name: how the user names it, such as "litert" or "vela:ethos-u55-256".
        unit: of its amounts: "s", "cycles".
        evidence: where they come from, in words: "measured", "the compiler's estimate".
        target: the target whose operators and types count, see `splitdeconv.convert.targets`.
        formats: the formats whose models it can judge.
        compared: what `whole` compares: the "whole model" or, where the oracle knows only these,
            "all transposed convolutions".
        exact: whether it always answers alike, so that the smallest gain counts.
    """

    name: str
    unit: str
    evidence: str
    target: str
    formats: tuple[str, ...]
    exact: bool = False
    compared: str = "whole model"

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be asked here, as one sentence with what to install; None if it can."""
        ...

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What its answers depend on besides the layer: device, versions, settings."""
        ...

    @abstractmethod
    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        """The cost of a layer in each of its variants; of those that fail, the reason."""
        ...

    @abstractmethod
    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        """The cost of the tuned model and its gain over the original.

        Args:
            original, tuned: both models.
            layers: for each transposed convolution, the cost of native and that of its choice.
            inputs: as for `splitdeconv.verify`.
        """
        ...


def relative(amounts: Mapping[Variant, float | str]) -> dict[Variant, Cost]:
    """Costs from the amounts of an oracle that always answers alike; a text is a reason."""
    amounts = {
        variant: amount if isinstance(amount, str) or 0 < amount < math.inf else "it has no amount"
        for variant, amount in amounts.items()
    }
    base = amounts.get(NATIVE)
    costs = {}
    for variant, amount in amounts.items():
        if isinstance(amount, str):
            costs[variant] = Cost.missing(amount)
        elif isinstance(base, str) or base is None:
            costs[variant] = Cost(float(amount))
        else:
            gain = base / amount
            costs[variant] = Cost(float(amount), gain, gain, gain)
    return costs


def data_of(model: ModelFile) -> bytes:
    """The bytes of a model that was given as a path or as bytes."""
    if isinstance(model, str | os.PathLike):
        return Path(model).read_bytes()
    return bytes(model)
