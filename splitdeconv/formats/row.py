"""One layer that multiplies, as a row of sizes common to all formats; used by `layer_rows`."""

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

from ..core.layer import Layer
from ..errors import SplitDeconvError
from .site import Site

#: A layer, by the columns of `splitdeconv.core.layer.COLUMNS`.
Row: TypeAlias = dict[str, Any]


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
) -> Row:
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


def deconv(site: Site, where: str) -> Row:
    """The row of a transposed convolution found by the converters, convertible or not.

    Raises:
        SplitDeconvError: its geometry is unknown, or it has more than two axes.
    """
    axes = site.axes
    if axes is None or len(axes) > 2 or any(axis.n is None for axis in axes):
        got = site.problem or f"geometry {site.geometry}"
        raise refusal(site.name, where, got, "one or two axes of known length")
    return Layer.from_axes(site.name, axes, site.known_channels, groups=site.groups).row()


def dense(name: str, shape: Sequence[int], c_in: int, c_out: int, batch: int, where: str) -> Row:
    """The row of a product with a `c_in` by `c_out` weight matrix; `shape` is that of the input."""
    count = prod(shape)
    if count % (c_in * batch):
        got = f"input {list(shape)} for {c_in} inputs"
        raise refusal(name, where, got, f"a whole number of them per image, of {batch}")
    is_image = len(shape) == 4 and shape[3] == c_in and shape[0] == batch
    sizes = shape[1:3] if is_image else (count // c_in // batch,)
    return row(name, "dense", sizes, c_in, c_out, outputs=sizes)


def images(shape: Sequence[int | None], batch: int, name: str, where: str) -> None:
    """Reject an operator whose batch differs from that of the model."""
    if shape[0] not in (batch, None):
        expected = f"the batch of the model's input, {batch}"
        raise refusal(name, where, f"a batch of {shape[0]}", expected)


def refusal(
    name: str, where: str, got: str, expected: str, fix: str | None = None
) -> SplitDeconvError:
    """The error for a layer that cannot be described as a row."""
    return SplitDeconvError(
        "the operations of a layer cannot be counted",
        where=f"{where}, {name}",
        expected=expected,
        got=got,
        fix=fix,
    )
