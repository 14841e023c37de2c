"""Compare two models by value: run both on the same inputs and compare every output.

`difference` explains which differences are accepted. Whole models are run first. Then every
rewritten operator is cut out of both models and run in isolation (`alone`) on inputs that exercise
it, because the outputs of a model may hide the effect of an operator. An operator that cannot be
cut out must at least affect an output of the model (`reach`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import SplitDeconvError, check_count
from ...formats.content import ModelObject
from ...formats.format import Format
from ...formats.input_shapes import ModelInput
from ...formats.model import Model
from ...formats.registry import format_of, owning
from ...formats.site import Decision, Site
from ...limits.sandbox import Progress
from .. import exchange
from ..exchange import Inputs, ModelFile
from ..report import Verification
from .alone import SAMPLES, compare_alone, growth
from .apart.hybrid import HybridSplice
from .apart.quantized import QuantizedSplice
from .difference import failure, rounding
from .entry import Pair
from .reach import reaches_output
from .whole import compare_whole

if TYPE_CHECKING:
    from ..rewrite import ModelData


def verify(
    original: ModelFile | ModelObject,
    converted: ModelFile | ModelObject,
    samples: int = 8,
    seed: int = 0,
    inputs: Inputs | None = None,
    *,
    timeout: float | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare two models by value: run both on the same inputs and compare every output.

    Args:
        original, converted: paths or bytes of two models of one format, or two models in memory.
        samples: how many inputs to draw.
        seed: seed of the inputs.
        inputs: arrays by input name, with samples stacked along a new first axis; a mapping or the
            path of an .npz file. None for synthetic inputs: normal and uniform floats; for integers
            0 and 1 first, the full range if quantized, all rows if they index a table, and up to
            the length of the other inputs if they hold lengths.
        timeout, memory: limits of the child process in seconds and GiB; by default they grow with
            the size of the file.
        progress: called with the name of each stage the child enters.

    Returns:
        A `Verification`, which is true if all outputs agree: integers exactly, floats within a
        tolerance derived from the rounding of the rewritten sums.

    Raises:
        SplitDeconvError: the models are not two valid models of one format, or the inputs do not
            fit them. A difference never raises.

    Example:
        >>> import keras
        >>> import splitdeconv as sd
        >>> up = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", name="up")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), up])
        >>> bool(sd.verify(model, sd.convert(model).model))
        True
    """
    owners = {owning(original), owning(converted)}
    if len(owners) > 1:
        raise SplitDeconvError(
            "a model in memory can only be compared with another one of its kind",
            where="verify",
            expected="two paths, or two models in memory of one format",
            got=f"{type(original).__name__} and {type(converted).__name__}",
            fix="save it and compare the files",
        )
    kind = owners.pop()
    if kind is not None:
        return compare(kind.name, original, converted, samples=samples, seed=seed, inputs=inputs)
    samples = check_count(samples, "number of samples", "samples")
    with exchange.job(
        "verify", original, timeout, memory, inputs, converted, samples=samples, seed=seed
    ) as job:
        return Verification.from_dict(job.run(progress))


def compare(
    kind: str,
    original: ModelData,
    converted: ModelData,
    *,
    path: str | None = None,
    converted_path: str | None = None,
    samples: int = 8,
    seed: int = 0,
    inputs: Inputs | None = None,
    decisions: Sequence[Decision] | None = None,
) -> Verification:
    """Like `verify`, but in this process.

    Args:
        kind: the name of the format of both models.
        original, converted: bytes, paths of files, or `keras.Model`; the same model twice if its
            layers were replaced in place.
        path, converted_path: where the bytes came from.
        samples, seed, inputs: as for `verify`.
        decisions: the decisions of the conversion; None to infer them by comparing the models.
    """
    samples = check_count(samples, "number of samples", "samples")
    file_format = format_of(kind)
    original, converted = file_format.opened(original, converted)
    sites = _rewritten(file_format, original, converted, path, converted_path, decisions)
    delta, other_path = rounding(sites, file_format.exact_sums), converted_path or path
    reached = growth([decision.site for decision in decisions] if decisions else sites)
    pair = Pair(file_format, original, converted, path, other_path, delta, seed, growth=reached)
    pair = replace(pair, sites=tuple(sites))
    # Next to operators that compute in floats, some may compute in integers.
    pair = replace(pair, integers=any(not rounding([s], pair.format.exact_sums) for s in sites))
    if pair.delta and file_format.name in _SPLICES:
        pair = replace(pair, explain=_SPLICES[file_format.name](pair, sites).explain)
    whole = compare_whole(pair, samples, inputs)
    if not all(output.passed for output in whole.outputs):
        return Verification(False, whole.outputs, "model", whole.samples, seed, whole.notes)
    alone = compare_alone(pair, sites)
    inner = [index for index, site in enumerate(sites) if getattr(site.key, "place", 0)]
    doubt = whole.doubt
    if inner and not doubt:
        doubt = f"inputs may not reach {len(inner)} operator(s) in branches, loops or functions"
    unproven = [
        failure(sites[index].name, why)
        for index, why in alone.uncut.items()
        if whole.doubt or index in inner or not reaches_output(pair, sites[index])
    ]
    checked = (*alone.outputs, *unproven)
    failed = tuple(output for output in checked if not output.passed)
    ran = len(sites) - len(alone.uncut)
    notes = whole.notes if not doubt else (doubt, *whole.notes)
    if ran:
        what = "the rewritten operator was" if ran == 1 else f"{ran} rewritten operators were each"
        notes += (f"{what} also run alone, on at least {SAMPLES} inputs",)
    outputs = whole.outputs + (checked if doubt else failed)
    method = "model"
    if outputs != whole.outputs:
        method = "model and operators" if whole.outputs else "operators"
    passed = bool(outputs) and all(output.passed for output in outputs)
    return Verification(passed, outputs, method, whole.samples or SAMPLES, seed, notes)


#: Per format, the class that distinguishes effects of quantizers from errors.
_SPLICES: dict[str, type[QuantizedSplice | HybridSplice]] = {
    "onnx": QuantizedSplice,
    "tflite": HybridSplice,
}


def _rewritten(
    format: Format,
    original: ModelData,
    converted: ModelData,
    path: str | None,
    converted_path: str | None,
    decisions: Sequence[Decision] | None,
) -> list[Site]:
    """The sites that occur in only one of the two models."""
    if decisions is not None:
        return [decision.site for decision in decisions if decision.verdict == "convert"]
    one, other = format.parse(original, path), format.parse(converted, converted_path)
    _fix_alike(one, other.inputs())
    ours, theirs = map(_sites, (one, other))
    names = [{site.name for site in sites} for sites in (ours, theirs)]
    removed = [site for site in ours if site.name not in names[1]]
    return removed + [site for site in theirs if site.name not in names[0]]


def _sites(model: Model) -> list[Site]:
    """The sites of a model that is not used afterwards."""
    sites = model.sites()
    model.let_go()
    return sites


def _fix_alike(parsed: Model, inputs: Iterable[ModelInput]) -> None:
    """Fix the inputs of a model to those of another.

    Some transposed convolutions can only be analysed if the input shape is fixed.
    """
    fixed = {one.name: one.shape for one in inputs if not one.is_open}
    shapes = [fixed.get(one.name) if one.is_open else None for one in parsed.inputs()]
    if any(shape is not None for shape in shapes):
        with suppress(SplitDeconvError):  # a model that cannot be fixed is compared as it is
            parsed.fix(shapes)
