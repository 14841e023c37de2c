"""Tune a model: the form of every transposed convolution by its cost on one processor."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..convert import exchange
from ..convert.api import InputShape, Result, convert_file
from ..convert.exchange import Inputs, ModelFile
from ..convert.labels import check_found, finds
from ..convert.report import Report
from ..convert.rewrite import Options
from ..convert.variants.variant import NATIVE, chosen
from ..errors import SplitDeconvError, check_count, check_seconds
from ..formats import input_shapes
from ..formats.recognition.detect import likely
from ..formats.registry import listed, owning
from ..limits.sandbox import Progress
from .choose import choose
from .costing import cost_layers
from .oracle import Oracle, data_of
from .oracles import oracle
from .report import Layer, Tuned
from .store import Store
from .unanswered import unanswered
from .whole import settle

#: An interval this wide, high over low, decides nothing.
_NOISY = 1.5


def tune(
    model: ModelFile,
    on: str | os.PathLike[str],
    *,
    threads: int | None = None,
    layers: str | None = None,
    static_batch: int | None = None,
    input_shape: InputShape | None = None,
    budget: float | None = None,
    fresh: bool = False,
    samples: int = 8,
    seed: int = 0,
    inputs: Inputs | None = None,
    timeout: float | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Choose the form of every transposed convolution by its cost, never slower than native.

    Each transposed convolution is cut out of the model, made in every form and interleave that the
    processor's target and the types allow, and costed against the operator as it is; layers of
    equal geometry are costed once, and answers are kept for the next run. A layer is converted
    only where its gain is beyond its uncertainty. The whole model is then compared with the
    original, and layers are taken back until it is not slower. The result is verified by value.

    Args:
        model: path or bytes of a .tflite, .onnx, .pt2 or .keras model.
        on: the oracle. "litert", "onnxruntime", "openvino", "torch" and "keras" measure here;
            "vela:ethos-u55-256" and "libtpu:v5e" ask a compiler for its estimates; a processor's
            name, or the path of its YAML file, asks the processor model `splitdeconv.dlp`.
        threads: threads of a runtime on this CPU; None for all cores.
        layers: a regular expression, as for `splitdeconv.convert`; others stay native.
        static_batch, input_shape: as for `splitdeconv.convert`.
        budget: seconds for costing layers, those with most operations first; None for no limit.
        fresh: whether to cost layers again that are known. Refusals are known, too; a layer for
            which the oracle did not answer (a killed process, a timeout, no memory) is not.
        samples, seed, inputs: as for `splitdeconv.verify`.
        timeout, memory: limits of each child process in seconds and GiB.
        progress: called with what is being done and how long it will take.

    Returns:
        A `Tuned`: ``tuned.model``, ``tuned.frame()``, ``tuned.whole``, ``tuned.save(path)``. If
        nothing is faster, the original is kept, and ``tuned.changed`` is 0.

    Raises:
        SplitDeconvError: an unknown oracle, or one that is not installed; one that does not judge
            this format; `layers` matches no layer, and no shape is to be fixed; as
            `splitdeconv.convert`.

    Example:
        >>> import keras, os, tempfile
        >>> import splitdeconv as sd
        >>> up = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", name="up")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.keras")
        ...     keras.Sequential([keras.Input((8, 8, 3)), up]).save(path)
        ...     tuned = sd.tune(path, on="dot_product_16x16")
        >>> for layer in tuned.layers:
        ...     print(layer.name, layer.variant, f"{tuned.whole.gain:.1f} times native")
        up stacked concat 11.1 times native
    """
    _check(model, layers, threads, budget)
    asked = oracle(on, threads=threads, seed=seed)
    kind = likely(model)
    if kind is not None:
        _check_format(kind.name, asked)
    store = Store(asked, fresh)
    shapes = input_shapes.checked(input_shape)
    options = Options(asked.target, layers=layers, static_batch=static_batch, input_shape=shapes)
    options.check()
    # The inputs are used at the end; that they can be read is checked before anything is costed.
    with exchange.job("candidates", model, timeout, memory, inputs, options=asdict(options)) as job:
        answer = job.run(progress)
        report = Report.from_dict(answer["report"])
        _check_format(report.format, asked)
        names = [decision.site.name for decision in report.decisions]
        if layers and not options.fixes:
            where = str(model) if isinstance(model, str | os.PathLike) else "the model"
            check_found(layers, names, where)
        selected = finds(re.compile(layers or ""), names)
        costs = cost_layers(
            report,
            answer["layers"],
            job.folder,
            asked,
            store,
            selected=selected,
            budget=budget,
            progress=progress,
        )
    tuned = [
        Layer(d.site.name, d.site.geometry, costs[i], choose(costs[i], asked.evidence))
        for i, d in enumerate(report.decisions)
    ]

    def make(layers: Sequence[Layer]) -> Result:
        choices = tuple((str(layer.variant), layer.reason) for layer in layers)
        given = replace(options, target="generic", layers=None, choices=choices)
        return convert_file(model, given, True, samples, seed, inputs, timeout, memory, progress)

    whole = settle(model, tuned, asked, make, inputs, progress)
    result = whole.result
    if result is None:
        result = make(whole.layers) if options.fixes else _kept(model, report, whole.layers)
    notes = (*store.notes, *_notes(whole.layers, asked))
    facts = asked.facts()
    return Tuned(
        oracle=asked.name,
        unit=asked.unit,
        evidence=asked.evidence,
        facts=facts,
        layers=whole.layers,
        whole=whole.cost,
        result=result,
        notes=notes,
        compared=asked.compared,
        target=asked.target,
    )


def _kept(model: ModelFile, report: Report, layers: Sequence[Layer]) -> Result:
    """The original as a result; data in other files is found beside it."""
    pairs = zip(report.decisions, layers, strict=True)
    decisions = tuple(chosen(one, NATIVE, layer.reason) for one, layer in pairs)
    report = report.with_(decisions=decisions, bytes_after=report.bytes_before)
    path = model if isinstance(model, str | os.PathLike) else None
    folder = Path(os.path.abspath(path)).parent if path and report.format == "onnx" else None
    return Result(report, data_of(model), folder)


def _check(model: object, layers: str | None, threads: int | None, budget: float | None) -> None:
    """Reject invalid arguments before anything is read."""
    kind = owning(model)
    if kind is not None:
        raise SplitDeconvError(
            "tune reads model files",
            where="model",
            expected=f"the path or bytes of a {listed()} file",
            got=f"an object, {type(model).__name__}",
            fix=f"save it first as a .{kind.name} file",
        )
    Options(layers=layers).check()
    if threads is not None:
        check_count(threads, "number of threads", "threads")
    if budget is not None:
        check_seconds(budget, "budget", "budget")


def _check_format(kind: str, asked: Oracle) -> None:
    if kind not in asked.formats:
        raise SplitDeconvError(
            f"the oracle {asked.name} does not judge {kind} models",
            where="on",
            expected=f"a {' or '.join(f'.{name}' for name in asked.formats)} model",
            got=f"a .{kind} model",
            fix="export the model to that format, or choose another oracle",
        )


def _notes(layers: Sequence[Layer], asked: Oracle) -> list[str]:
    """Remarks on noise and on what was not tried."""
    notes = []
    best = [layer.costs[layer.choice.best] for layer in layers]
    width = max((cost.high / cost.low for cost in best if cost.low and cost.high), default=1.0)
    if not asked.exact and width > _NOISY:
        notes.append(
            f"this machine is noisy: an interval's ends are a factor of {width:.1f} apart; "
            "tune again when it is idle (--fresh)"
        )
    reasons = [layer.costs[NATIVE].reason or "" for layer in layers]
    untried = sum(reason.startswith("not tried") for reason in reasons)
    if untried:
        were = "layer was" if untried == 1 else "layers were"
        notes.append(f"{untried} {were} not tried within the budget and stayed native")
    lost = sum(any(unanswered(cost.reason) for cost in la.costs.values()) for la in layers)
    if lost:
        some = "1 layer has" if lost == 1 else f"{lost} layers have"
        notes.append(
            f"{some} variants for which the oracle did not answer (its process was killed, took "
            "too long or had no memory): these costs are not kept, and the next run asks again"
        )
    if not layers:
        notes.append("the model contains no transposed convolution: nothing to tune")
    return notes
