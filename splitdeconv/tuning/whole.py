"""The whole model: converted as chosen, and taken back where it is slower or gives other values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..convert.api import Result
from ..convert.exchange import Inputs, ModelFile
from ..convert.job import differs
from ..convert.variants.variant import NATIVE
from ..errors import SplitDeconvError
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
    """Convert as chosen, and take layers back until the whole model is proven and not slower.

    Layers with which the model gives other values go first, then those that save least. Where
    native does not run, there is nothing to go back to.

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
    while _changed(layers):
        tell("converting and verifying the model")
        try:
            result = make(layers)
        except SplitDeconvError as error:
            if not differs(error):
                raise
            tell("looking for the layers with which the model gives other values")
            for wrong, how in _wrong(layers, _changed(layers), make, error).items():
                layers[wrong] = replace(layers[wrong], differs=how)
            continue
        tell("measuring the whole model against the original")
        pairs = [(layer.costs[NATIVE], layer.costs[layer.variant]) for layer in layers]
        cost = oracle.whole(original, data_of(result.content), pairs, inputs)
        index = _least(layers)
        if not _slower(cost) or index is None:
            return Whole(tuple(layers), result, cost)
        layers[index] = replace(layers[index], taken_back=True)
    return Whole(tuple(layers), None, Cost.missing("the original is kept"))


def _changed(layers: Sequence[Layer]) -> list[int]:
    return [index for index, layer in enumerate(layers) if layer.variant != NATIVE]


def _wrong(
    layers: Sequence[Layer],
    indices: Sequence[int],
    make: Callable[[Sequence[Layer]], Result],
    error: SplitDeconvError,
) -> dict[int, str]:
    """The layers with which the model gives other values, by halves, and how it differs.

    Args:
        layers, make: as for `settle`.
        indices: layers with which, changed together, it does.
        error: the one that says so.
    """
    half = len(indices) // 2
    if not half:
        return dict.fromkeys(indices, f"{error.where}: {error.got}")
    wrong: dict[int, str] = {}
    for part in (indices[:half], indices[half:]):
        alone = [
            layer if index in part else replace(layer, taken_back=True)
            for index, layer in enumerate(layers)
        ]
        try:
            make(alone)
        except SplitDeconvError as other:
            if not differs(other):
                raise
            wrong |= _wrong(layers, part, make, other)
    # Rounding may add up, so that only all of them together differ by too much.
    return wrong or dict.fromkeys(indices, f"{error.where}: {error.got}")


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
