"""The verb simulate, and the options that it shares with sweep."""

import re
from collections.abc import Hashable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ..dlp.cycles import DATAFLOWS, SKIPS
from ..dlp.lowering import METHODS
from ..dlp.traffic import INTERLEAVE, ZEROS
from ..errors import shown
from .show import Json, echo, print_json, print_table

if TYPE_CHECKING:
    import pandas

    Method: TypeAlias = str
    Skip: TypeAlias = str
    Dataflow: TypeAlias = str
    Zeros: TypeAlias = str
    Interleave: TypeAlias = str
    _Size: TypeAlias = tuple[int, int]
else:
    Method, Skip, Dataflow, Zeros, Interleave = (
        StrEnum(name, {value: value for value in values})
        for name, values in (
            ("Method", METHODS),
            ("Skip", SKIPS),
            ("Dataflow", DATAFLOWS),
            ("Zeros", ZEROS),
            ("Interleave", INTERLEAVE),
        )
    )
    _Size = tuple  # a text, from which a parser makes what is meant
Processor = Annotated[
    str, typer.Option(help="a processor's name, or a .yaml file that describes one")
]
Dataflows = Annotated[
    Dataflow | None, typer.Option(help="one of the processor's dataflows; by default its first")
]
NzpZeros = Annotated[
    Zeros,
    typer.Option(
        help="where nzp has its zeros: generated beside the array, expanded in the on-chip buffer, "
        "stored in DRAM by the layer before, or written there by a pass of their own"
    ),
]
Technology = Annotated[
    str | None,
    typer.Option(help="energy profile: a name or a .yaml file; by default the processor's"),
]
METHOD_HELP, SKIP_HELP = (
    "nzp: zero insertion; sd: one convolution per phase, filters of equal size; sd_trimmed: the "
    "same with only real taps (the form split); rows, stacked, paper: as in plan --form; native: "
    "by the processor itself",
    "structural zeros to skip: activations (A), weights (W)",
)
_TOTALS = ("macs_useful", "compute_cycles", "cycles", "latency_us", "dram_bytes", "energy_pj")
_GAINS = ("speedup", "array_speedup", "energy_saving")


def _size(text: str) -> tuple[int, int]:
    """The height and width of "224x224"."""
    height, _, width = text.partition("x")
    if not (re.fullmatch("[0-9]{1,9}", height) and re.fullmatch("[0-9]{1,9}", width)):
        raise typer.BadParameter(
            f"invalid image size {shown(text)}: expected HEIGHTxWIDTH, such as 224x224"
        )
    return int(height), int(width)


def _simulate(
    network: Annotated[
        str, typer.Argument(help="a network, or a .csv, .tflite, .onnx, .keras or .pt2 file")
    ],
    processor: Processor,
    method: Annotated[Method, typer.Option(help=METHOD_HELP)] = "sd",
    skip: Annotated[Skip, typer.Option(help=SKIP_HELP)] = "none",
    dataflow: Dataflows = None,
    batch: Annotated[int, typer.Option(min=1, help="images per run")] = 1,
    zeros: NzpZeros = "generated",
    interleave: Annotated[
        Interleave | None,
        typer.Option(
            help="how pixels are written that belong s apart: free, in bursts, or in a pass of "
            "their own; by default what the processor does"
        ),
    ] = None,
    technology: Technology = None,
    size: Annotated[
        _Size | None,
        typer.Option(
            parser=_size,
            metavar="224x224",
            help="height and width, for an ONNX model with a dynamic image size",
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--network", help="which network of a .csv file with several")
    ] = None,
    show_mapping: Annotated[
        bool,
        typer.Option(
            "--mapping", help="print the loop nest of each layer, the outermost loop first"
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="a .png, .svg or .pdf file to draw: energy by layer and part, and the roofline"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace an existing figure")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict cycles, DRAM traffic and energy of layers, and the gain over zero insertion (nzp)."""
    from ..dlp import compare, load_processor, load_technology, mapping, roof, simulate, workload
    from ..dlp.compare import label

    # Checked first, before any framework is loaded.
    if plot is not None:
        from . import figure

        figure.check(plot, overwrite)
    device = load_processor(processor)
    energies = None if technology is None else load_technology(technology)
    options = {"size": size, "network": of}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    table = workload(network, **given)
    chosen, skipped = str(method), str(skip)
    how: dict[str, Any] = {
        "dataflow": None if dataflow is None else str(dataflow),
        "batch": batch,
        "zeros": str(zeros),
        "interleave": None if interleave is None else str(interleave),
        "technology": energies,
    }
    layers = simulate(table, device, chosen, skipped, **how)
    deconvs = layers[layers["kind"] == "deconv"]
    totals = {"network": layers[list(_TOTALS)].sum().to_dict()}
    gains = {}
    if len(deconvs):
        totals["deconv"] = deconvs[list(_TOTALS)].sum().to_dict()
        compared = compare({network: table}, device, [(chosen, skipped)], **how)
        compared = compared[compared["variant"] == label(chosen, skipped)].set_index("part")
        gains = {part: compared.loc[part, list(_GAINS)].to_dict() for part in totals}
    columns = ("processor", "dataflow", "technology", "method", "skip", "batch", "zeros")
    settings = {name: layers[name].tolist()[0] for name in columns}
    if plot is not None:
        before = simulate(table, device, "nzp", **how)
        subtitle = f"{network} on {device.name}, {settings['dataflow']}, batch {batch}"
        fig = figure.draw(before, layers, roof(device), label(chosen, skipped), subtitle)
        figure.write(fig, plot, overwrite)
    if as_json:
        rows = layers.to_dict("records")
        return print_json(network=network, **settings, layers=rows, totals=totals, over_nzp=gains)
    echo(", ".join(f"{name} {value}" for name, value in settings.items()))
    _print_layers(layers)
    if show_mapping:
        nests = mapping(table, device, chosen, how["dataflow"], batch, how["zeros"])
        for name, parts in nests.items():
            lines = [line for part in parts for line in f"{part}".splitlines()]
            for line in [name, *("  " + line for line in lines), ""]:
                echo(line)
    names = {"network": "all layers", "deconv": "transposed convolutions"}
    for part, total in totals.items():
        echo(f"{names[part]}: {_total(total)}")
    for part, gain in gains.items():
        echo(f"over nzp, {names[part]}: {_gain(gain)}")
    if plot is not None:
        echo(f"wrote {plot}")


def _gain(gain: Mapping[str, float]) -> str:
    """The gain over zero insertion in words; a loss is called one."""
    speed, saving = gain["speedup"], gain["energy_saving"]
    words = "faster" if speed >= 1 else "the speed"
    energy = f"{abs(saving):.1%} {'less' if saving >= 0 else 'more'} energy"
    return f"{speed:.2f}x {words} ({gain['array_speedup']:.2f}x without memory), {energy}"


def _print_layers(layers: "pandas.DataFrame") -> None:
    """One row per layer."""
    shown = {
        "layer": "{name}",
        "kind": "{kind}",
        "kcycles": "{kcycles:,.1f}",
        "busy": "{utilisation:.0%}",
        "DRAM KiB": "{kib:,.1f}",
        "uJ": "{uj:,.2f}",
        "bound by": "{bound_by}",
        "why": "{why}",
    }
    rows = layers.assign(
        kcycles=layers["cycles"] / 1e3,
        kib=layers["dram_bytes"] / 1024,
        uj=layers["energy_pj"] / 1e6,
    ).to_dict("records")
    right = ("kcycles", "busy", "DRAM KiB", "uJ")
    print_table(shown, ([text.format(**row) for text in shown.values()] for row in rows), right)


def _total(total: Mapping[Hashable, float]) -> str:
    return (
        f"{total['macs_useful'] / 1e6:,.2f} useful MMAC, {total['cycles'] / 1e3:,.1f} kcycles "
        f"({total['compute_cycles'] / 1e3:,.1f} without memory), {total['latency_us']:,.1f} us, "
        f"{total['dram_bytes'] / 1024:,.1f} KiB of DRAM, {total['energy_pj'] / 1e6:,.2f} uJ"
    )


VERBS = (_simulate,)
