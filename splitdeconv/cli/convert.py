"""The verbs that convert a model file, and compare and time it: convert, verify, bench.

They import what converts when they run, so that other verbs need not wait for it.
"""

import os
import re
from collections.abc import Hashable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .. import output
from ..core.forms import FILE_FORMS, FILE_INTERLEAVES
from ..errors import SplitDeconvError
from ..formats.input_shapes import LARGEST, parsed
from ..suggested import command
from .show import Json, echo, print_json, print_table, progress

if TYPE_CHECKING:
    Form: TypeAlias = str
    Interleave: TypeAlias = str
else:
    Form = StrEnum("Form", {name: name for name in ("auto", *FILE_FORMS)})
    Interleave = StrEnum("Interleave", {name: name for name in FILE_INTERLEAVES})


def pattern(text: str) -> str:
    """A regular expression; an invalid one is a usage error."""
    try:
        re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"invalid regular expression {text!r}: {error}") from None
    return text


def target_word(target: str) -> str | Path:
    """A target as a word of a suggested command: a name, or the path of a file."""
    return Path(target) if target.endswith((".yaml", ".yml")) else target


Model = Annotated[
    Path, typer.Argument(help="a .tflite, .onnx, .keras or .pt2 model", show_default=False)
]
Target = Annotated[str, typer.Option(help="a target's name, or a .yaml file that describes one")]
StaticBatch = Annotated[
    int | None, typer.Option(min=1, max=LARGEST, help="fix a dynamic batch to this size")
]
InputShapes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=1x80x100", help="fix the open dimensions of an input; repeatable"),
]
Layers = Annotated[
    str | None,
    typer.Option(
        parser=pattern,
        metavar="REGEX",
        help="change only layers whose name (see inspect) matches this regular expression",
    ),
]
Samples = Annotated[
    int, typer.Option(min=1, help="number of inputs on which to compare the outputs")
]
Inputs = Annotated[
    Path | None, typer.Option(help="an .npz file of inputs by name, stacked along a new first axis")
]
Timeout = Annotated[
    float | None,
    typer.Option(min=1, help="time limit in seconds for reading, rewriting and running"),
]
ExternalData = Annotated[
    bool,
    typer.Option(
        "--external-data", help="write the large tensors to NAME.data beside the file (.onnx)"
    ),
]
#: More threads than cores wait for each other, and tens of thousands crash a runtime.
MOST_THREADS = max(2, os.cpu_count() or 1)
Memory = Annotated[
    float | None, typer.Option(min=0.25, help="address-space limit of the child process, in GiB")
]


def _convert(
    model: Model,
    to: Annotated[
        Path, typer.Option("--output", "-o", help="the file to write", show_default=False)
    ],
    target: Target = "generic",
    form: Annotated[
        Form, typer.Option(help="form of the split; auto: the one that the target's rules choose")
    ] = "auto",
    interleave: Annotated[
        Interleave | None, typer.Option(help="how the phases are interleaved")
    ] = None,
    static_batch: StaticBatch = None,
    input_shape: InputShapes = None,
    layers: Layers = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="compare with the original by value")
    ] = True,
    fold: Annotated[
        bool,
        typer.Option(
            "--fold/--no-fold",
            help="fold a following BatchNormalization, scale or bias into a layer (.onnx)",
        ),
    ] = True,
    samples: Samples = 8,
    inputs: Inputs = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace existing files")] = False,
    external_data: ExternalData = False,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Rewrite a model's transposed convolutions as stride-1 convolutions, verified by value."""
    from ..convert import api
    from ..convert.labels import check_found
    from ..formats.recognition.detect import likely
    from .account import print_report

    shapes = parsed(input_shape or ())
    output.check(to, overwrite, read=(target, inputs) if inputs else (target,))
    kind = likely(model)
    if kind is not None:
        api.check_output(to, kind.name, external_data)
    with progress() as stage:
        result = api.convert(
            model,
            target,
            str(form),
            None if interleave is None else str(interleave),
            static_batch,
            layers,
            verify,
            input_shape=shapes,
            fold=fold,
            samples=samples,
            inputs=inputs,
            timeout=timeout,
            memory=memory,
            progress=stage,
        )
    # Fixing an input is enough reason to write the file.
    if layers and static_batch is None and shapes is None:
        check_found(layers, [one.site.name for one in result.report.decisions], str(model))
    result.save(to, overwrite, external_data)
    if as_json:
        return print_json(**result.report.to_dict(), output=str(to))
    print_report(result.report, done=True)
    echo(f"wrote {to}{outside(to, external_data)}")


def outside(to: Path, external_data: bool) -> str:
    """Where the large tensors of a file that was written are; a small model may have none."""
    beside = to.with_name(f"{to.name}.data")
    # A file of that name may be there from earlier; a model that uses it names it.
    used = external_data and beside.exists() and beside.name.encode() in to.read_bytes()
    return f", and its large tensors to {beside}" if used else ""


def _verify(
    original: Model,
    converted: Annotated[
        Path, typer.Argument(help="the model to compare with it", show_default=False)
    ],
    samples: Samples = 8,
    inputs: Inputs = None,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Compare every output of two models by value; exit code 1 if they differ."""
    from ..convert import verify
    from .account import print_verification

    with progress() as stage:
        verification = verify(
            original,
            converted,
            samples,
            inputs=inputs,
            timeout=timeout,
            memory=memory,
            progress=stage,
        )
    if as_json:
        print_json(**verification.to_dict())
    else:
        print_verification(verification)
    if not verification:
        first = next((record for record in verification.outputs if not record.passed), None)
        where, expected, got = "no output", "one output at least", "nothing to compare"
        if first is not None:
            where, got = f"output {first.name}", first.finding
            expected = f"a difference of at most {first.tolerance:.3g}"
        raise SplitDeconvError(
            "the two models do not compute the same", where=where, expected=expected, got=got
        )


def _bench(
    model: Model,
    converted: Annotated[
        Path | None, typer.Argument(help="a second model to time; by default the converted model")
    ] = None,
    target: Target = "generic",
    threads: Annotated[
        list[int], typer.Option(min=1, max=MOST_THREADS, help="threads, at most as many as cores")
    ] = [1, 2],  # noqa: B006 - a list of the type that is asked for; it is only read
    turns: Annotated[int, typer.Option(min=1, help="calls of each model, interleaved")] = 31,
    inputs: Inputs = None,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Time a model before and after conversion on this CPU, in its own runtime."""
    from .. import provenance
    from ..convert import api
    from ..convert.timing import check_format, time_files

    check_format(model)
    with progress() as stage:
        limits: dict[str, Any] = {"timeout": timeout, "memory": memory, "progress": stage}
        other: Path | bytes | None = converted
        if other is None:
            result = api.convert(model, target, inputs=inputs, **limits)
            if not result.report.converted:
                why = command("inspect", model, "--target", target_word(target))
                raise SplitDeconvError(
                    f"nothing to time: the target {target} converts no layer of this model",
                    where=str(model),
                    expected="a model with a layer that the target converts, or a second model "
                    "file",
                    got="no layer that it converts",
                    fix=f"{why} gives the reasons",
                )
            # Tensors that the original keeps beside it are not found from elsewhere.
            made = result.content if result.folder is None else result.model
            assert isinstance(made, bytes)  # it was made from a file
            other = made
        times = time_files(model, other, threads=threads, turns=turns, inputs=inputs, **limits)
    columns = ["form", "threads", "seconds", "speedup", "low", "high", "turns", "inputs"]
    rows = times[columns].to_dict("records")
    if as_json:
        return print_json(device=provenance.device(), times=rows)
    run = " to ".join(f"{n}" for n in sorted({min(times["turns"]), max(times["turns"])}))
    echo(f"{provenance.device()}; median of {run} turns, speedup with its 95 % interval")
    echo(f"on {times['inputs'].iloc[0]}")
    shown = (
        (row["form"], f"{row['threads']}", f"{row['seconds'] * 1e3:,.3f}", _speedup(row))
        for row in rows
    )
    print_table(("model", "threads", "ms", "speedup"), shown, ("threads", "ms", "speedup"))


def _speedup(row: Mapping[Hashable, Any]) -> str:
    if row["form"] == "original":
        return ""
    return f"{row['speedup']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


VERBS = (_convert, _verify, _bench)
