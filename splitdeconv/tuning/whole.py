"""The whole model: converted as chosen, compared with the original, and taken back where slower."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..convert.api import Result
from ..convert.exchange import Inputs, ModelFile
from ..convert.variants import NATIVE
from ..limits.sandbox import Progress
from .oracle import Cost, Oracle, data_of
from .report import Layer

#: A median below this share of the original's speed counts as slower, whatever its interval.
_LEAST = 0.98


@dataclass(frozen=True)
class Whole:
    """The tuned model.

    Args:
        layers: with those taken back marked.
        result: the conversion; None if nothing is left to convert.
        cost: of the whole model.
    """

    layers: tuple[Layer, ...]
    result: Result | None
    cost: Cost


def settle(
    original: ModelFile,
    layers: Sequence[Layer],
    oracle: Oracle,
    make: Callable[[Sequence[Layer]], Result],
    inputs: Inputs | None = None,
    progress: Progress | None = None,
) -> Whole:
    """Convert as chosen, and take layers back until the whole model is not slower.

    Layers that save least go first. Where native does not run, there is nothing to go back to.

    Args:
        original: the model.
        layers: with what was chosen.
        oracle: costs the whole.
        make: converts the model as the layers say, and verifies it.
        inputs: as for `splitdeconv.verify`.
        progress: called with what is being done.
    """
    layers = list(layers)
    tell = progress or (lambda _: None)
    while any(layer.variant != NATIVE for layer in layers):
        tell("converting and verifying the model")
        result = make(layers)
        tell("measuring the whole model against the original")
        pairs = [(layer.costs[NATIVE], layer.costs[layer.variant]) for layer in layers]
        cost = oracle.whole(original, data_of(result.content), pairs, inputs)
        index = _least(layers)
        if not _slower(cost) or index is None:
            return Whole(tuple(layers), result, cost)
        layers[index] = replace(layers[index], taken_back=True)
    return Whole(tuple(layers), None, Cost.missing("the original is kept"))


def _slower(cost: Cost) -> bool:
    """Whether the whole is slower than the original beyond doubt, or by too much."""
    if cost.gain is None or cost.high is None:
        return False
    return cost.high < 1 or cost.gain < _LEAST


def _least(layers: Sequence[Layer]) -> int | None:
    """The changed layer that saves least; None if none of them can be taken back."""
    savings = {}
    for index, layer in enumerate(layers):
        native, chosen = layer.costs[NATIVE].amount, layer.costs[layer.variant].amount
        if layer.variant != NATIVE and native is not None and chosen is not None:
            savings[index] = native - chosen
    return min(savings, key=lambda index: savings[index]) if savings else None
