"""The verb that chooses by cost: tune."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import output
from ..formats.input_shapes import parsed
from .convert import (
    MOST_THREADS,
    ExternalData,
    Inputs,
    InputShapes,
    Layers,
    Memory,
    Model,
    Samples,
    StaticBatch,
    Timeout,
    outside,
)
from .show import Json, echo, print_json, print_table, progress

if TYPE_CHECKING:
    from ..tuning.report import Tuned


def _seconds(text: str) -> float:
    """A time of at least one second; anything else is a usage error."""
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < math.inf:
        raise typer.BadParameter(f"{text!r} is not a number of seconds, at least 1, such as 60s")
    return seconds


def _tune(
    model: Model,
    to: Annotated[
        Path, typer.Option("--output", "-o", help="the file to write", show_default=False)
    ],
    on: Annotated[
        str,
        typer.Option(
            metavar="ORACLE",
            help="source of the costs: litert, onnxruntime, openvino, torch, keras (timed here), "
            "vela:ethos-u55-256[,MEMORY], libtpu:v5e (estimated), a processor or its .yaml file",
            show_default=False,
        ),
    ],
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_THREADS, help="threads of a runtime; by default all cores"),
    ] = None,
    layers: Layers = None,
    static_batch: StaticBatch = None,
    input_shape: InputShapes = None,
    budget: Annotated[
        float | None,
        typer.Option(
            parser=_seconds,
            metavar="SECONDS",
            help="time for costing layers, the largest first, such as 60 or 60s; default no limit",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="cost again what earlier runs have costed")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option(help="write what was learnt to this .yaml file, for convert --target"),
    ] = None,
    samples: Samples = 8,
    inputs: Inputs = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace existing files")] = False,
    external_data: ExternalData = False,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Choose each layer's form by its cost on one processor; never slower than the original."""
    from ..convert.api import check_output
    from ..formats.recognition.detect import likely
    from ..tuning import rules as files
    from ..tuning.api import tune
    from .account import print_report

    read: tuple[str | Path, ...] = (on, inputs) if inputs else (on,)
    output.check(to, overwrite, read)
    kind = likely(model)
    if kind is not None:
        check_output(to, kind.name, external_data)
    if rules is not None:
        files.check(rules, (model, to, *read), overwrite)
    with progress() as stage:
        tuned = tune(
            model,
            on,
            threads=threads,
            layers=layers,
            static_batch=static_batch,
            input_shape=parsed(input_shape or ()),
            budget=budget,
            fresh=fresh,
            samples=samples,
            inputs=inputs,
            timeout=timeout,
            memory=memory,
            progress=stage,
        )
    tuned.save(to, overwrite, external_data)
    if rules is not None:
        files.write(tuned, rules, overwrite)
    if as_json:
        return print_json(**tuned.to_dict(), output=str(to))
    print_report(tuned.report, done=True)
    _print(tuned)
    echo(f"wrote {to}{_kept(tuned)}{outside(to, external_data)}")
    if rules is not None:
        echo(f"wrote {rules}")


def _print(tuned: "Tuned") -> None:
    """For each layer native, the best and the chosen variant; the whole model; remarks."""
    from ..convert.labels import labels

    rows = tuned.rows()
    if rows:
        shown = labels([row["name"] for row in rows])
        titles = ("layer", f"native, {tuned.unit}", "best", "chosen", "gain")
        cells = (
            (label, _amount(row["native"]), row["best"], row["chosen"], _gain(row))
            for label, row in zip(shown, rows, strict=True)
        )
        print_table(titles, cells, right=(titles[1],))
    echo(f"costs: {tuned.evidence}")
    whole = asdict(tuned.whole)
    if whole["gain"] is not None:
        echo(f"{tuned.compared}: {_gain(whole)} times the original's speed")
    elif not tuned.changed:
        echo(f"{_unchanged(tuned)}: the original is kept")
    else:
        echo(f"{tuned.compared}: not compared: {whole['reason']}")
    for note in tuned.notes:
        echo(f"note: {note}")


def _kept(tuned: "Tuned") -> str:
    """What an unchanged model is: the original, which may have been given fixed shapes."""
    if tuned.changed:
        return ""
    fixed = tuned.report.verification is not None
    return ", the original with its shapes fixed" if fixed else ", a copy of the original"


def _unchanged(tuned: "Tuned") -> str:
    """Why no layer was changed."""
    from ..tuning.costing import NOT_SELECTED

    if not tuned.layers:
        return "nothing to tune"
    reasons = {layer.reason for layer in tuned.layers}
    if reasons == {f"unchanged: {NOT_SELECTED}"}:
        return "no layer is selected"
    if all(row["native"] is None for row in tuned.rows()):
        return "no layer could be costed"
    if any(layer.taken_back for layer in tuned.layers):
        return "the whole model is not faster with any layer in another form"
    if any(layer.differs for layer in tuned.layers):
        return "the model gives other values with each layer that is faster in another form"
    return "no layer is faster in another form beyond its uncertainty"


def _amount(amount: float | None) -> str:
    """An amount in four digits."""
    return "unknown" if amount is None else f"{amount:.4g}"


def _gain(cost: Mapping[str, Any]) -> str:
    """A gain and, where it has one, its interval."""
    if cost["gain"] is None:
        return ""
    interval = "" if cost["low"] == cost["high"] else f" ({cost['low']:.2f} to {cost['high']:.2f})"
    return f"{cost['gain']:.2f}{interval}"


VERBS = (_tune,)
