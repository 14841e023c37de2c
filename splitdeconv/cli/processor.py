"""The verb on processors as such: list, check and explain them, and start a file of one's own."""

from typing import Annotated, Any

import typer

from .show import Json, echo, print_json, print_table


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
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PROCESSOR", help="the processor whose values --template prints"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the description of a processor and print what it means, or start one's own."""
    from .. import dlp

    if start is not None and not template:
        raise typer.BadParameter("expected with --template", param_hint="--from")
    if template and (source is not None or as_json):
        expected = "expected alone or with --from"
        raise typer.BadParameter(expected, param_hint="--template")
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
        "transposed convolutions": machine.native or False,
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
