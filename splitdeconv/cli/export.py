"""The verb that writes networks and Keras models as files: export."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..core.forms import FILE_FORMS
from ..formats.input_shapes import LARGEST
from .show import Json, echo, print_json, print_table, progress

if TYPE_CHECKING:
    Deconv: TypeAlias = str
    Dtype: TypeAlias = str
else:
    Deconv = StrEnum("Deconv", {name: name for name in ("native", "nzp", *FILE_FORMS)})
    Dtype = StrEnum("Dtype", {name: name for name in ("float32", "float16", "int8", "int16x8")})


def _export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK|MODEL.keras",
            help="a benchmark network (see networks), or a .keras file",
            show_default=False,
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.tflite|FILE.onnx",
            help="the file to write",
            show_default=False,
        ),
    ],
    deconv: Annotated[
        Deconv, typer.Option(help="form of the transposed convolutions; nzp: zero insertion")
    ] = "split",
    dtype: Annotated[
        Dtype,
        typer.Option(help="element type; .onnx files are float32 or float16"),
    ] = "float32",
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="typical inputs by name, stacked along the first axis; "
            "they set the scales of int8 and int16x8",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=LARGEST, help="images per run")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace an existing file")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a benchmark network or a Keras model as .tflite or .onnx, verified by value."""
    from ..convert.labels import labels
    from ..toolchains.models.export import export
    from .account import print_verification

    with progress() as stage:
        exported = export(
            model,
            to,
            str(deconv),
            str(dtype),
            samples=samples,
            batch=batch,
            overwrite=overwrite,
            progress=stage,
        )
    if as_json:
        return print_json(**exported.to_dict())
    if exported.layers:
        names, forms = zip(*exported.layers, strict=True)
        print_table(("layer", "form"), zip(labels(names), forms, strict=True))
    if exported.verification is not None:
        print_verification(exported.verification)
    for note in exported.notes:
        echo(f"note: {note}")
    echo(f"wrote {to}: {exported.dtype}, batch {exported.batch}, {exported.size:,} bytes")


VERBS = (_export,)
