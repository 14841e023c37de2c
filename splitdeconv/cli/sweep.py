"""The verb sweep."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .. import output
from ..datafiles import plain_yaml
from ..dlp.design_space.axes import MOST_LABELS
from ..dlp.design_space.store import SUFFIX
from ..errors import SplitDeconvError, shown
from .show import echo
from .simulate import (
    METHOD_HELP,
    SKIP_HELP,
    Dataflows,
    Method,
    NzpZeros,
    Processor,
    Skip,
    Technology,
)

if TYPE_CHECKING:
    _Names: TypeAlias = tuple[str, ...]
    #: The name of an axis, and its values or, by label, the values of several fields.
    _Axis: TypeAlias = tuple[str, list[Any] | dict[str, dict[str, Any]]]
else:
    _Names, _Axis = tuple, str  # texts, from which parsers make what is meant


def _axis(text: str) -> _Axis:
    """The axis of "rows=8,16", or of "rows:cols=8:32,16:16", which changes two fields together."""
    name, _, values = text.partition("=")
    fields, labels = name.split(":"), values.split(",")
    try:
        settings = [
            [plain_yaml.load(part, "--axis") for part in label.split(":")]
            for label in labels[:MOST_LABELS]
        ]
    except SplitDeconvError:
        settings = [[None]]
    fit = all(len(parts) == len(fields) and None not in parts for parts in settings)
    if not fit or not all(fields) or len(set(labels)) < len(labels) or len(labels) > MOST_LABELS:
        raise typer.BadParameter(
            f"invalid axis {shown(text)}: expected rows=8,16 or rows:cols=8:32,16:16, with no "
            f"value twice and at most {MOST_LABELS:,} of them"
        )
    if len(fields) == 1:
        return name, [value for (value,) in settings]
    pairs = zip(labels, settings, strict=True)
    return name, {label: dict(zip(fields, parts, strict=True)) for label, parts in pairs}


def _names(text: str) -> tuple[str, ...]:
    """The names of "latency_us,energy_pj" or "latency_us,energy_pj,area_mm2"."""
    names = tuple(text.split(","))
    if len(names) not in (2, 3) or not all(names):
        raise typer.BadParameter(
            f"invalid front {shown(text)}: expected two or three quantities, such as "
            "latency_us,energy_pj or latency_us,energy_pj,area_mm2"
        )
    return names


def _sweep(
    networks: Annotated[
        list[str], typer.Argument(help="networks, or .csv, .tflite, .onnx, .keras or .pt2 files")
    ],
    processor: Processor,
    axis: Annotated[
        list[_Axis],
        typer.Option(
            parser=_axis,
            metavar="FIELD=A,B,...",
            help="a field of the processor, or batch; rows:cols=8:32,16:16 for two; repeatable",
        ),
    ],
    method: Annotated[list[Method], typer.Option(help=METHOD_HELP)] = ["nzp", "sd"],  # noqa: B006 - only read
    skip: Annotated[list[Skip], typer.Option(help=SKIP_HELP)] = ["none"],  # noqa: B006 - only read
    dataflow: Dataflows = None,
    zeros: NzpZeros = "generated",
    technology: Technology = None,
    scheduler: Annotated[
        str | None, typer.Option(help="address of a dask scheduler; by default threads")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="the .csv file or new .zarr folder; else it is printed"
        ),
    ] = None,
    front: Annotated[
        _Names | None,
        typer.Option(
            parser=_names,
            metavar="A,B[,C]",
            help="only the Pareto front in two or three quantities, of each network, method, skip "
            "and part",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace an existing file")
    ] = False,
) -> None:
    """Simulate networks on every combination of a processor's values; one row per point."""
    from ..dlp import Front, sweep

    axes = dict(axis)
    if len(axes) < len(axis):
        raise typer.BadParameter("duplicate axis", param_hint="--axis")
    options: dict[str, Any] = {} if front is None else {"reduce": Front(*front)}
    if to is not None and to.suffix == SUFFIX:
        options["to"] = to
    elif to is not None:
        given = (*networks, processor, *([technology] if technology else []))
        output.check(to, overwrite, read=given)
    with _bar() as update:
        swept: Any = sweep(
            networks,
            processor,
            axes,
            methods=list(map(str, method)),
            skips=list(map(str, skip)),
            dataflow=None if dataflow is None else str(dataflow),
            zeros=str(zeros),
            technology=technology,
            scheduler=scheduler,
            progress=update,
            **options,
        )
    if "to" in options:
        return echo(f"wrote {to}: {prod(swept.sizes.values()):,} points")
    points = swept if front is not None else swept.to_dataframe().reset_index()
    if to is None:
        return typer.echo(points.to_csv(index=False, lineterminator="\n"), nl=False)
    output.write(to, lambda part: points.to_csv(part, index=False, lineterminator="\n"), overwrite)
    echo(f"wrote {to}: {len(points):,} rows")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; yields the function to call with (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    console, hidden = Console(stderr=True), not sys.stderr.isatty()
    with Progress(console=console, disable=hidden, transient=True) as bar:
        task = bar.add_task("sweep", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


VERBS = (_sweep,)
