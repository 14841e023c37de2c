"""The verbs on geometry and networks: plan, networks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import networks
from ..core.plan import SplitPlan, plan
from ..errors import shown
from .show import Json, echo, print_json, print_table

if TYPE_CHECKING:
    from ..core.typing import Padding
else:
    Padding = str


class _Lengths(tuple[Any, ...]):
    """The ints of "16x16"; None for each "?"."""

    def __str__(self) -> str:
        return "x".join("?" if n is None else f"{n}" for n in self)


def _lengths(text: str | _Lengths) -> _Lengths:
    """The lengths in a text, or the default of an option as it is."""
    if isinstance(text, _Lengths):
        return text
    try:
        return _Lengths(None if part == "?" else int(part) for part in text.split("x"))
    except ValueError:
        raise typer.BadParameter(
            f"invalid lengths {shown(text)}: expected lengths such as 16x16, or 16 for one "
            "dimension"
        ) from None


def _padding(text: str) -> Padding:
    """Same, valid, or the (before, end) pairs of "1:1x1:0"."""
    if text.lower() in ("same", "valid"):
        return text.upper()
    pairs = [pair.split(":") for pair in text.split("x")]
    try:
        return [(int(before), int(end)) for before, end in pairs]
    except ValueError:
        problem = f"invalid padding {shown(text)}: expected same, valid or crops such as 1:1x1:0"
        raise typer.BadParameter(problem) from None


_FORMS = (
    "split: one convolution per phase; rows: per row of phases; stacked: for all phases; paper: "
    "per phase, zero-extended to equal sizes and cropped; nzp: one over the zero-inserted input; "
    "native: the framework's own operator"
)
#: The default of strides and dilations.
_ONE = _Lengths((1,))


def _option(
    example: str, what: str, *names: str, parser: Callable[[str], object] = _lengths
) -> Any:
    return typer.Option(*names, parser=parser, metavar=example, help=what)


def _plan(
    input_shape: Annotated[_Lengths, _option("16x16", "input size; ? if unknown", "--input")],
    kernel: Annotated[
        _Lengths, _option("5x5", "kernel size; a single length applies to every dimension")
    ],
    stride: Annotated[_Lengths, _option("2x2", "stride")] = _ONE,
    padding: Annotated[
        Padding, _option("same", "same, valid, or crops 1:1x1:0", parser=_padding)
    ] = "same",
    output: Annotated[_Lengths | None, _option("32x32", "output size")] = None,
    output_padding: Annotated[_Lengths | None, _option("1x1", "extra trailing outputs")] = None,
    dilation: Annotated[_Lengths, _option("1x1", "dilation")] = _ONE,
    groups: Annotated[int, typer.Option(help="channel groups")] = 1,
    form: Annotated[str, typer.Option(help=_FORMS)] = "split",
    as_json: Json = False,
) -> None:
    """Plan one transposed convolution and print its convolutions and operation counts."""
    kernel_size, strides, padded, dilations = map(_one, (kernel, stride, output_padding, dilation))
    result = plan(
        input_shape, kernel_size, strides, padding, output, padded, dilations, groups, form
    )
    if not as_json:
        for line in str(result).splitlines():
            echo(line)
        return
    keys = ("phases", "kernel_size", "dilations", "pads")
    print_json(
        input_shape=input_shape,
        output_shape=result.output_shape,
        padding=padding,
        form=form,
        groups=groups,
        convolutions=[{key: getattr(c, key) for key in keys} for c in result.convolutions],
        crop=result.crop,
        macs_per_channel_pair=_macs(result),
    )


def _networks(
    name: Annotated[
        str | None,
        typer.Argument(help="a network, to list its layers; without one, list the networks"),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the benchmark networks, or the layers of one."""
    if name is None:
        known = networks.titles()
        if as_json:
            listed = [{"name": key, "title": title} for key, title in known.items()]
            return print_json(networks=listed)
        return print_table(("name", "network"), known.items())
    table = networks.layer_table(name)
    if as_json:
        return print_json(network=name, layers=table.to_dict("records"))
    shown = {
        "layer": "{name}",
        "kind": "{kind}",
        "input": "{in_h}x{in_w}x{c_in}",
        "kernel": "{k_h}x{k_w}",
        "stride": "{stride_h}x{stride_w}",
        "padding": "{padding}",
        "output": "{out_h}x{out_w}x{c_out}",
        "MMAC": "{mmac:,.2f}",
    }
    rows = table.assign(mmac=table["macs"] / 1e6).to_dict("records")
    print_table(shown, ([text.format(**row) for text in shown.values()] for row in rows))
    total = table["macs"].sum() / 1e6
    deconv = table.loc[table["kind"] == "deconv", "macs"].sum() / 1e6
    share = f"in deconvolutions {deconv:,.2f} ({deconv / total:.1%})"
    echo(f"useful MMAC per image: {total:,.2f}, {share}")


def _macs(result: SplitPlan) -> dict[str, int] | None:
    """Counts for one input and one output channel; None where the size is unknown."""
    if None in result.output_shape:
        return None
    counts = result.macs(result.groups, result.groups)
    return {name: count // result.groups for name, count in counts.items()}


def _one(values: _Lengths | None) -> Any:
    """A single length, which applies to every dimension, else all of them; `plan` checks them."""
    return values[0] if values is not None and len(values) == 1 else values


VERBS = (_plan, _networks)
