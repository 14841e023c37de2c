"""Transposed convolutions with TensorFlow's own signatures, computed by stride-1 convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .core import backends
from .core.apply import apply
from .core.backends import Backend
from .core.forms import INTERLEAVES
from .core.framework_arguments import arrays, count_groups, read_output_shape, spatial_part
from .core.plan import SplitPlan, plan, with_form
from .core.typing import Array, ArrayLike, Padding, PerAxis, ShapeLike
from .errors import check_choice

_LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def conv1d_transpose(
    input: ArrayLike,
    filters: ArrayLike,
    output_shape: ShapeLike,
    strides: PerAxis,
    padding: Padding = "SAME",
    data_format: str | None = "NWC",
    dilations: PerAxis | None = None,
    name: str | None = None,
    *,
    form: str = "auto",
    interleave: str = "concat",
) -> Array:
    """1-D transposed convolution by split deconvolution: `tf.nn.conv1d_transpose`, exactly.

    Arguments, result and errors are those of `conv2d_transpose`, with one length fewer per shape;
    `data_format` is "NWC" or "NCW", and "depth_to_space" is not available.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> x = np.array([[[1.0], [2.0], [3.0]]], "float32")
        >>> filters = np.array([[[1.0]], [[10.0]], [[100.0]]], "float32")
        >>> sd.conv1d_transpose(x, filters, [1, 6, 1], strides=2).numpy().ravel().tolist()
        [1.0, 10.0, 102.0, 20.0, 203.0, 30.0]
    """
    return _conv_transpose(
        1,
        input,
        filters,
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        name,
        form,
        interleave,
    )


def conv2d_transpose(
    input: ArrayLike,
    filters: ArrayLike,
    output_shape: ShapeLike,
    strides: PerAxis,
    padding: Padding = "SAME",
    data_format: str | None = "NHWC",
    dilations: PerAxis | None = None,
    name: str | None = None,
    *,
    form: str = "auto",
    interleave: str = "concat",
) -> Array:
    """`tf.nn.conv2d_transpose` by split deconvolution: exactly, with stride-1 convolutions.

    Args:
        input: tensor ``(batch, height, width, in_channels)``, or channels first with "NCHW"; any
            float type. JAX arrays are computed with JAX, PyTorch tensors with PyTorch on their
            device, NumPy arrays with TensorFlow, or with JAX or PyTorch where TensorFlow is
            missing.
        filters: ``(height, width, out_channels // groups, in_channels)``; the groups follow from
            the channels of `output_shape`. They are re-split on every call; in a traced function,
            NumPy filters are split once and become constants.
        output_shape: the full output shape, batch and channels included, as list or tensor; None
            for the default size and one group. A length known only at run time must be the default;
            this is checked at run time.
        strides: an int, one per spatial dimension, or one per dimension of the input.
        padding: "SAME", "VALID", or (before, end) pairs per spatial dimension or per dimension of
            the input.
        data_format: "NHWC" or "NCHW". With "NCHW" the result of a PyTorch tensor has its order in
            memory: contiguous, or `torch.channels_last`.
        dilations: like `strides`; None for 1.
        name: name scope of the operations, in libraries that have one.
        form: "auto" (see `splitdeconv.core.plan.auto_form`), "split", "rows", "stacked", "paper",
            "nzp", or "native", which is the framework's own operator.
        interleave: "concat" (concatenations and a reshape), "depth_to_space" (equal strides only)
            or "transpose".

    Returns:
        Tensor of `output_shape`. With the forms "split" and "nzp", NaN and infinity in `input`
        propagate as in `tf.nn`. Where phases share a window ("rows", "stacked") or are
        zero-extended ("paper"), they also reach neighbours. Those in `filters` reach pads in every
        form, because 0 * NaN is NaN.

    Raises:
        SplitDeconvError: an illegal geometry or argument, with what was expected.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> x = np.arange(4, dtype="float32").reshape(1, 2, 2, 1)
        >>> filters = np.ones((3, 3, 1, 1), "float32")
        >>> y = sd.conv2d_transpose(x, filters, [1, 4, 4, 1], strides=2)  # as tf.nn's
        >>> print(y.numpy()[0, :, :, 0])
        [[0. 0. 1. 1.]
         [0. 0. 1. 1.]
         [2. 2. 6. 4.]
         [2. 2. 5. 3.]]
    """
    return _conv_transpose(
        2,
        input,
        filters,
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        name,
        form,
        interleave,
    )


def conv3d_transpose(
    input: ArrayLike,
    filters: ArrayLike,
    output_shape: ShapeLike,
    strides: PerAxis,
    padding: Padding = "SAME",
    data_format: str | None = "NDHWC",
    dilations: PerAxis | None = None,
    name: str | None = None,
    *,
    form: str = "auto",
    interleave: str = "concat",
) -> Array:
    """3-D transposed convolution by split deconvolution: `tf.nn.conv3d_transpose`, exactly.

    Arguments, result and errors are those of `conv2d_transpose`, with one length more per shape;
    `data_format` is "NDHWC" or "NCDHW", and "depth_to_space" is not available.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> x = np.ones((1, 2, 2, 2, 3), "float32")
        >>> filters = np.ones((4, 4, 4, 5, 3), "float32")
        >>> tuple(sd.conv3d_transpose(x, filters, [1, 4, 4, 4, 5], strides=2).shape)
        (1, 4, 4, 4, 5)
    """
    return _conv_transpose(
        3,
        input,
        filters,
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        name,
        form,
        interleave,
    )


@backends.untranslated
@backends.in_graph
def _conv_transpose(
    rank: int,
    x: ArrayLike,
    filters: ArrayLike,
    output_shape: ShapeLike,
    strides: PerAxis,
    padding: Padding,
    data_format: str | None,
    dilations: PerAxis | None,
    name: str | None,
    form: str,
    interleave: str,
) -> Array:
    """The implementation that the three ranks share."""
    data_format = data_format or _LAYOUTS[rank][0]
    check_choice(data_format, _LAYOUTS[rank], "data_format")
    check_choice(interleave, INTERLEAVES, "interleave")
    strides, padding, dilations = backends.settled((strides, padding, dilations))
    channels_first = data_format == _LAYOUTS[rank][1]
    spatial = slice(2, None) if channels_first else slice(1, -1)
    x, filters = arrays(x, filters, rank)
    xp = backends.of(x)
    with xp.scope(name or f"split_conv{rank}d_transpose"):
        sizes = backends.static_shape(x)
        known = read_output_shape(xp, output_shape, sizes)
        padding = spatial_part(padding, rank, spatial, "padding")
        planned = plan_for(
            sizes[spatial],
            filters,
            spatial_part(strides, rank, spatial, "strides"),
            padding,
            # A requested length cannot be planned with an unknown input length; the result is
            # checked instead.
            output_shape=tuple(
                o if n is not None else None
                for o, n in zip(known[spatial], sizes[spatial], strict=True)
            ),
            dilations=1
            if dilations is None
            else spatial_part(dilations, rank, spatial, "dilations"),
            groups=count_groups(known[1 if channels_first else -1], filters.shape[-2]),
            form=form,
        )
        if form == "native" and hasattr(xp, "native"):
            return _native(xp, x, filters, planned, output_shape, padding, data_format)
        source = x
        if channels_first:
            x = xp.transpose(x, (0, *range(2, rank + 2), 1))
        y = apply(planned, x, filters, interleave=interleave)
        if channels_first:
            y = xp.channels_first(y, like=source)
        # Lengths unknown now are checked at run time, because the plan assumed the default size.
        unsure = output_shape is not None and (None in known[1:] or None in y.shape)
        return xp.check_shape(y, output_shape, known) if unsure else y


def _native(
    xp: Backend,
    x: Array,
    filters: Array,
    plan: SplitPlan,
    output_shape: ShapeLike,
    padding: Padding,
    data_format: str,
) -> Array:
    """tf.nn's own operator, with its arguments converted to the types that it accepts."""
    filters = xp.asarray(filters, like=x) if isinstance(filters, np.ndarray) else filters
    channels_first = not data_format.endswith("C")
    sizes = xp.shape(x)

    def whole(batch: Any, spatial: Sequence[Any], channels: Any) -> list[Any]:
        return [batch, channels, *spatial] if channels_first else [batch, *spatial, channels]

    if output_shape is None:
        lengths = [
            n * a.s + a.tail
            for n, a in zip(sizes[2:] if channels_first else sizes[1:-1], plan.axes, strict=True)
        ]
        output_shape = whole(sizes[0], lengths, filters.shape[-2] * plan.groups)
    padding = padding.upper() if isinstance(padding, str) else whole((0, 0), padding, (0, 0))
    strides, dilations = ([getattr(a, letter) for a in plan.axes] for letter in "sd")
    return xp.native(len(plan.axes))(
        x, filters, output_shape, strides, padding, data_format, dilations
    )


def plan_for(
    sizes: Sequence[int | None],
    filters: Array,
    strides: PerAxis,
    padding: Padding,
    *,
    form: str = "auto",
    **geometry: Any,
) -> SplitPlan:
    """Plan for given arrays; "auto" is resolved by `splitdeconv.core.plan.auto_form`.

    Args:
        sizes: spatial lengths of the input; None where unknown.
        filters: ``(*kernel_size, out_channels // groups, in_channels)``.
        strides, padding, geometry: as for `splitdeconv.plan`.
        form: a form of `splitdeconv.plan`, or "auto".
    """
    planned = plan(
        sizes,
        tuple(filters.shape[:-2]),
        strides,
        padding,
        **geometry,
        form="split" if form == "auto" else form,
    )
    return with_form(planned, filters.shape[-2] * planned.groups) if form == "auto" else planned
