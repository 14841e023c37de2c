"""One layer that multiplies, as a row of sizes common to all formats; used by `layer_rows`."""

from collections.abc import Sequence
from typing import Any

from ..core.layer import Layer
from ..errors import SplitDeconvError


def row(
    name: str,
    kind: str,
    sizes: Sequence[int],
    c_in: int,
    c_out: int,
    kernel: Sequence[int] = (1, 1),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    groups: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """One layer.

    Args:
        name: its name in the file.
        kind: "conv" or "dense".
        sizes, kernel, strides, dilations: of the input and the window, per axis.
        c_in, c_out, groups: channels, summed over all groups.
        **more: `padding`, `outputs`, `before`, `end` as for
            `splitdeconv.core.layer.Layer.from_lengths`.
    """
    window: dict[str, Any] = {"kernel": kernel, "strides": strides, "dilations": dilations}
    layer = Layer.from_lengths(name, kind, sizes, (c_in, c_out), groups=groups, **window, **more)
    return layer.row()


def deconv(site, where):
    """The row of a transposed convolution found by the converters, convertible or not.

    Raises:
        SplitDeconvError: its geometry is unknown, or it has more than two axes.
    """
    axes = site.axes
    if axes is None or len(axes) > 2 or any(axis.n is None for axis in axes):
        raise refusal(
            site.name,
            where,
            site.problem or f"geometry {site.geometry}",
            "one or two axes of known length",
        )
    channels = site.in_channels, site.out_channels
    return Layer.from_axes(site.name, axes, channels, groups=site.groups).row()


def dense(name, shape, c_in, c_out, batch, where):
    """The row of a product with a `c_in` by `c_out` weight matrix; `shape` is that of the input."""
    count = 1
    for length in shape:
        count *= length
    if count % (c_in * batch):
        raise refusal(
            name,
            where,
            f"input {list(shape)} for {c_in} inputs",
            f"a whole number of them per image, of {batch}",
        )
    sizes = (
        shape[1:3]
        if len(shape) == 4 and shape[3] == c_in and shape[0] == batch
        else (count // c_in // batch,)
    )
    return row(name, "dense", sizes, c_in, c_out, outputs=sizes)


def images(shape, batch, name, where):
    """Reject an operator whose batch differs from that of the model."""
    if shape[0] not in (batch, None):
        raise refusal(
            name, where, f"a batch of {shape[0]}", f"the batch of the model's input, {batch}"
        )


def refusal(name, where, got, expected):
    """The error for a layer that cannot be described as a row."""
    return SplitDeconvError(
        "a layer of the model cannot be described",
        where=f"{where}, {name}",
        expected=expected,
        got=got,
    )
