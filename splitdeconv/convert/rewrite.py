"""Find the transposed convolutions of one model, decide and rewrite, all in this process.

No files, limits or verification are involved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import SplitDeconvError, check_count
from ..formats import input_shapes, unseen
from ..formats.model import Model
from ..formats.registry import format_of
from ..formats.site import Decision, Site, tally
from .decide import decide_all, folding
from .report import Report
from .targets import Target, load_target
from .variants.variant import Variant, chosen

if TYPE_CHECKING:
    from ..formats.content import ModelObject

#: A model as a format reads and writes it: the bytes or the path of a file, or one in memory.
ModelData: TypeAlias = "bytes | Path | ModelObject"


@dataclass(frozen=True)
class Options:
    """The options of a conversion; see `splitdeconv.convert` for each.

    Args:
        target, form, interleave, layers, static_batch, input_shape: as there.
        choices: for each transposed convolution, in the model's order, the variant to compute it
            in, as text, and the reason; None to let the target and the other options decide.
        fold: as there.
    """

    target: str = "generic"
    form: str = "auto"
    interleave: str | None = None
    layers: str | None = None
    static_batch: int | None = None
    input_shape: dict[str, tuple[int, ...]] | None = None
    choices: tuple[tuple[str, str], ...] | None = None
    fold: bool = True

    @property
    def fixes(self) -> bool:
        """Whether inputs are to be fixed, which always writes a model."""
        return self.static_batch is not None or self.input_shape is not None

    @cached_property
    def device(self) -> Target:
        """The target, loaded."""
        return load_target(self.target)

    def decide(self, sites: Iterable[Site]) -> tuple[Decision, ...]:
        """One decision per site."""
        decided = decide_all(sites, self.device, self.form, self.interleave, self.layers)
        if self.choices is not None and decided:
            pairs = zip(decided, self.choices, strict=True)
            kernels = self.device.accepts.kernels
            decided = [
                chosen(one, Variant.of(text), reason, kernels) for one, (text, reason) in pairs
            ]
        return tuple(folding(one) if self.fold else one for one in decided)

    def check(self) -> None:
        """Reject invalid options before any model is read.

        Raises:
            SplitDeconvError: naming the invalid option.
        """
        self.decide(())
        input_shapes.checked(self.input_shape)
        if self.static_batch is not None:
            if self.input_shape is not None:
                raise SplitDeconvError(
                    "static_batch and input_shape cannot be combined",
                    where="static_batch, input_shape",
                    expected="one of the two: an input shape includes the batch",
                    got="both",
                    fix="omit static_batch",
                )
            batch = check_count(self.static_batch, "batch", "static_batch")
            if batch > input_shapes.LARGEST:
                raise SplitDeconvError(
                    "the batch is too large",
                    where="static_batch",
                    expected=f"1 to {input_shapes.LARGEST:,}",
                    got=f"{batch:,}",
                )


def examine(
    kind: str, data: ModelData, path: str | Path | None = None, options: Options | None = None
) -> tuple[Model, Report]:
    """Parse a model and decide every transposed convolution in it.

    Args:
        kind: the name of the model's format.
        data: bytes, a `keras.Model`, or the path of an .onnx or .keras file.
        path: where the bytes came from; external data is looked up next to it.
        options: `Options`.

    Returns:
        (the parsed model, a `Report` on the unchanged model).

    Raises:
        SplitDeconvError: the model or an option is invalid, or the target does not read this
            format.
    """
    options = options or Options()
    options.check()
    target = options.device
    if not target.reads(kind):
        raise SplitDeconvError(
            f"the target {target.name} does not read {kind} models",
            where="target",
            expected=", ".join(target.formats),
            got=kind,
            fix="choose another target, or export the model to "
            f"{' or '.join(f'.{name}' for name in target.formats)} first",
        )
    model = format_of(kind).parse(data, path)
    sites, operators = model.sites(), model.operators()
    decisions = options.decide(sites)
    return model, Report(
        format=kind,
        target=target.name,
        decisions=decisions,
        operators_before=tally(operators),
        operators_after=tally(operators),
        bytes_before=_size(data, model.bytes_outside),
        objections=tuple(target.objections(model.left(decisions))),
        notes=_notes(target, sites, model),
    )


def prepared(
    kind: str, data: ModelData, path: str | Path | None, options: Options
) -> tuple[Model, Report]:
    """As `examine`, with the inputs fixed as requested."""
    model, report = examine(kind, data, path, options)
    if not options.fixes:
        return model, report
    fixed = _fix(model, options)
    sites = model.sites()
    notes = (*fixed, *_notes(options.device, sites, model))
    return model, report.with_(decisions=options.decide(sites), notes=notes)


def rewrite(
    kind: str,
    data: ModelData,
    path: str | Path | None = None,
    options: Options | None = None,
    into: Path | None = None,
) -> tuple[ModelData, Report]:
    """Rewrite a model as decided.

    Args:
        kind, data, path, options: as for `examine`.
        into: path to write the result to, so that it need not be held in memory; None to return it.

    Returns:
        (bytes, `into` or `keras.Model`, `Report`). `data` itself is returned if there is nothing to
        convert and no input to fix, unless the model has external data: that is embedded (in the
        file `into`, only small tensors are). The only models changed in place are subclassed Keras
        models, whose layers are replaced.

    Raises:
        SplitDeconvError: as for `examine`; or every transposed convolution must be refused; or the
            inputs cannot be fixed as requested.
    """
    options = options or Options()
    model, report = prepared(kind, data, path, options)
    _refuse_if_nothing_can_be_done(report)
    report = report.with_(arena_before=format_of(kind).arena_peak(data))
    if not report.converted and not options.fixes:
        result = _result(model, into) if model.refers else data
        return result, report.with_(
            bytes_after=_size(result, model.bytes_kept),
            arena_after=report.arena_before,
            notes=(*report.notes, nothing_to_do(report), *model.notes()),
        )
    model.apply(list(report.decisions))
    result, operators = _result(model, into), model.operators()
    return result, report.with_(
        operators_after=tally(operators),
        objections=tuple(options.device.objections(model.left())),
        bytes_after=_size(result, model.bytes_kept),
        arena_after=format_of(kind).arena_peak(result),
        notes=(*report.notes, *model.notes()),
    )


def _fix(model: Model, options: Options) -> tuple[str, ...]:
    """Fix a model's inputs as requested; return the notes on it."""
    before = model.inputs()
    model.fix(
        input_shapes.requested_shapes(
            input_shapes.checked(options.input_shape), options.static_batch, before
        )
    )
    return input_shapes.notes_on(before, model.inputs())


def _result(model: Model, into: Path | None) -> ModelData:
    """Serialize a model, to the file `into` if one is given."""
    if into is None:
        return model.serialize()
    model.write(into)
    model.let_go()
    return into


def nothing_to_do(report: Report) -> str:
    """The note on why a model was not changed."""
    if not report.decisions:
        seen = " that can be seen" if any(map(unseen.is_note, report.notes)) else ""
        return f"the model contains no transposed convolution{seen}: nothing to convert"
    count = len(report.decisions)
    return f"none of the {count} transposed convolution(s) was converted: see the reasons"


def _refuse_if_nothing_can_be_done(report: Report) -> None:
    """Raise an error if every transposed convolution is refused."""
    refused = [decision for decision in report.decisions if decision.verdict == "refuse"]
    if refused and len(refused) == len(report.decisions):
        first = refused[0]
        raise SplitDeconvError(
            f"no transposed convolution of the model can be converted ({len(refused)} refused)",
            where=f"{first.site.operator} {first.site.name}",
            expected="at least one that can be converted",
            got=first.reason,
            fix="run splitdeconv inspect to see the reason for each",
        )


def _notes(target: Target, sites: Sequence[Site], model: Model) -> tuple[str, ...]:
    """The target's notes and requirements on the whole model, and the parts not analysed."""
    inputs = model.inputs()
    notes = [
        *(input_shapes.advised(note, inputs) for note in target.notes),
        *unseen.note(model.unseen()),
    ]
    odd = sorted(
        {
            site.dtype
            for site in sites
            if target.types != "unknown" and site.dtype not in target.types
        }
    )
    if odd:
        supported = ", ".join(target.types)
        notes.append(
            f"{target.name} supports {supported}; the model computes in {', '.join(odd)} "
            f"({target.types_source})"
        )
    if target.static_shapes is True and any(site.is_dynamic for site in sites):
        advice = input_shapes.advice(inputs)
        way = {None: "", input_shapes.STATIC_BATCH: f"; {advice} fixes the batch"}.get(
            advice, f"; {advice} fixes them"
        )
        notes.append(f"{target.name} needs fixed shapes ({target.static_source}){way}")
    return tuple(notes)


def _size(data: ModelData, outside: int = 0) -> int | None:
    """The size of a model in bytes, with external data; None for a model in memory."""
    if isinstance(data, Path):
        return data.stat().st_size + outside
    return len(data) + outside if isinstance(data, bytes) else None
