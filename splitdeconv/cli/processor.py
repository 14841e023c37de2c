"""The verb on processors as such: list, check and explain them, start or import one's own."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .. import output
from ..dlp.imports.importing import TOOLS
from .show import Json, echo, print_json, print_table

if TYPE_CHECKING:
    Tool: TypeAlias = str
else:
    Tool = StrEnum("Tool", {name: name for name in TOOLS})
_IMPORTED = (
    "Imported. An origin that says 'assumed' marks what the file did not say: replace it by what "
    "is true of the processor."
)


def _processor(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="PROCESSOR",
            help="a processor's name, or a .yaml file that describes one; without one, list the "
            "names",
        ),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="print a commented file to start from")
    ] = False,
    tool: Annotated[
        Tool | None,
        typer.Option("--import", help="read PROCESSOR as a file of this tool; write it to -o"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PROCESSOR",
            help="the processor whose values --template prints, or --import takes where the file "
            "says nothing",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="the .yaml file that --import writes"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace an existing file")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the description of a processor and print what it means, or start one's own."""
    from .. import dlp

    if start is not None and not template and tool is None:
        raise typer.BadParameter("expected with --template or --import", param_hint="--from")
    if template and (source is not None or as_json or tool is not None):
        expected = "expected alone or with --from"
        raise typer.BadParameter(expected, param_hint="--template")
    if tool is None and (to is not None or overwrite):
        option = "--overwrite" if to is None else "--output"
        raise typer.BadParameter("expected with --import", param_hint=option)
    if tool is not None:
        if source is None or to is None or as_json:
            expected = "expected with a file to read and the -o file to write"
            raise typer.BadParameter(expected, param_hint="--import")
        return _import(Path(source), f"{tool}", start, to, overwrite)
    if template:
        return typer.echo(dlp.template(start), nl=False)
    if source is None:
        known = {name: dlp.load_processor(name).title for name in dlp.processors()}
        if as_json:
            listed = [{"name": name, "title": title} for name, title in known.items()]
            return print_json(processors=listed)
        return print_table(("name", "processor"), known.items())
    machine, figures = dlp.load_processor(source), dlp.summary(source)
    if as_json:
        return print_json(processor=vars(machine), **figures)
    for line in _lines(machine, figures):
        echo(line)


def _import(source: Path, tool: str, start: str | None, to: Path, overwrite: bool) -> None:
    """Write the processor of another tool's file, and beside it the technology of its energies."""
    from .. import dlp
    from ..dlp.chip.template import commented

    beside = to.with_name(f"{to.stem}.technology{to.suffix}")
    for path in (to, beside):
        output.check(path, overwrite, read=(source,))
    processor, technology = dlp.import_processor(source, tool, start)
    if technology is not None:
        output.write(beside, commented(technology, _IMPORTED).encode(), overwrite)
        processor = replace(processor, technology=beside.name)
        echo(f"wrote {beside}")
    output.write(to, commented(processor, _IMPORTED).encode(), overwrite)
    assumed = [name for name, text in processor.origins.items() if text.startswith("assumed")]
    echo(f"wrote {to}; {source.name} does not say: {', '.join(assumed) or 'nothing'}")


def _lines(machine: Any, figures: dict[str, Any]) -> list[str]:
    """The figures in words."""
    buffers = ", ".join(
        f"{name} {getattr(machine, f'{name}_buffer_kib'):g} KiB ({figures[f'{name}_words']:,} words"
        + (f" or {figures['output_sums']:,} sums)" if name == "output" else ")")
        for name in ("input", "weight", "output")
    )
    policies = {
        "strided writes": machine.strided_writes,
        "zero gating": machine.zero_gating,
        "native transposed convolutions": machine.native or False,
    }
    answers = {True: "yes", False: "no", "zero_insertion": "by zero insertion"}
    unsourced = figures["unsourced"]
    return [
        f"{machine.name}: {machine.title}",
        f"array: {machine.array}, {machine.rows} x {machine.cols}, {machine.clock_mhz:g} MHz",
        f"peak: {figures['peak_macs']:,} multiply-accumulates per cycle, {figures['tops']:.4g} TOPS"
        f" of {figures['number_type']}",
        f"dataflows: {', '.join(machine.dataflows)}",
        f"skipping: {', '.join(machine.skipping)}",
        *(f"{name}: {answers[value]}" for name, value in policies.items()),
        f"buffers, half of which are in use at a time: {buffers}",
        f"DRAM: {machine.dram_gb_s:g} GB/s, {figures['dram_bytes_per_cycle']:.4g} bytes per cycle, "
        f"in bursts of {machine.burst_bytes} bytes",
        f"ridge of the roofline: {figures['ridge']:.4g} multiply-accumulates per byte of DRAM",
        f"technology: {machine.technology}",
        f"area: {_banded(figures, 'area', 'mm2')}, of which buffers "
        f"{_rounded(figures['area_buffer_mm2'])}; without control, wiring and DRAM",
        f"peak power: {_banded(figures, 'peak_power', 'w')}, of which DRAM "
        f"{_rounded(figures['peak_power_dram_w'])}; {_rounded(figures['tops_per_w'])} TOPS/W",
        f"assumed or from memory: {', '.join(unsourced) or 'nothing'}",
    ]


def _banded(figures: dict[str, Any], name: str, unit: str) -> str:
    """A value with its band."""
    value, low, high = (_rounded(figures[f"{name}{end}_{unit}"]) for end in ("", "_low", "_high"))
    return f"{value} {unit.replace('w', 'W')}, {low} to {high}"


def _rounded(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


VERBS = (_processor,)
