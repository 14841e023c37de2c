"""Transposed convolutions with TensorFlow's own signatures, computed by stride-1 convolutions."""

import numpy as np

from . import backends
from .apply import apply
from .errors import SplitDeconvError
from .extras import require
from .plan import auto_form, plan

_LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def conv1d_transpose(
    input,
    filters,
    output_shape,
    strides,
    padding="SAME",
    data_format="NWC",
    dilations=None,
    name=None,
    *,
    form="auto",
    interleave="concat",
):
    """1-D transposed convolution by split deconvolution: `tf.nn.conv1d_transpose`, exactly.

    Arguments, result and errors are those of `conv2d_transpose`, with one length fewer per shape; `data_format` is
    "NWC" or "NCW", and "depth_to_space" is not available.
    """
    return _conv_transpose(
        1, input, filters, output_shape, strides, padding, data_format, dilations, name, form, interleave
    )


def conv2d_transpose(
    input,
    filters,
    output_shape,
    strides,
    padding="SAME",
    data_format="NHWC",
    dilations=None,
    name=None,
    *,
    form="auto",
    interleave="concat",
):
    """2-D transposed convolution by split deconvolution: `tf.nn.conv2d_transpose`, exactly, with stride-1 convolutions.

    Args:
        input: tensor ``(batch, height, width, in_channels)``, or channels first with "NCHW"; any float type. JAX
            arrays are computed with JAX.
        filters: ``(height, width, out_channels // groups, in_channels)``; the groups follow from the output's channels.
            NumPy filters are split once, on the host, outside a traced function.
        output_shape: the full output shape, batch and channels included, as list or tensor; None for the default size.
        strides: an int, one per spatial dimension, or one per dimension of the input.
        padding: "SAME", "VALID", or (before, end) pairs per spatial dimension or per dimension of the input.
        data_format: "NHWC" or "NCHW".
        dilations: like `strides`; None for 1.
        name: name scope of the operations.
        form: "auto" (see `splitdeconv.plan.auto_form`), "split", "rows", "stacked", "paper", "nzp", or "native", which
            is the framework's own operator.
        interleave: "concat" (concatenations and a reshape), "depth_to_space" (equal strides only) or "transpose".

    Returns:
        Tensor of `output_shape`.

    Raises:
        SplitDeconvError: an illegal geometry or argument, with what was expected.
    """
    return _conv_transpose(
        2, input, filters, output_shape, strides, padding, data_format, dilations, name, form, interleave
    )


def conv3d_transpose(
    input,
    filters,
    output_shape,
    strides,
    padding="SAME",
    data_format="NDHWC",
    dilations=None,
    name=None,
    *,
    form="auto",
    interleave="concat",
):
    """3-D transposed convolution by split deconvolution: `tf.nn.conv3d_transpose`, exactly.

    Arguments, result and errors are those of `conv2d_transpose`, with one length more per shape; `data_format` is
    "NDHWC" or "NCDHW", and "depth_to_space" is not available.
    """
    return _conv_transpose(
        3, input, filters, output_shape, strides, padding, data_format, dilations, name, form, interleave
    )


@backends.untranslated
def _conv_transpose(rank, x, filters, output_shape, strides, padding, data_format, dilations, name, form, interleave):
    """The body that the three ranks share."""
    data_format = data_format or _LAYOUTS[rank][0]
    if data_format not in _LAYOUTS[rank]:
        raise SplitDeconvError(
            "unknown data format", where="data_format", expected=" or ".join(_LAYOUTS[rank]), got=repr(data_format)
        )
    channels_first = data_format == _LAYOUTS[rank][1]
    x, filters = _arrays(x, filters)
    xp = backends.of(x)
    with xp.scope(name or f"split_conv{rank}d_transpose"):
        if form == "native" and xp.__name__.endswith("tensorflow"):
            operator = getattr(require("tensorflow", "tensorflow").nn, f"conv{rank}d_transpose")
            return operator(x, filters, output_shape, strides, padding, data_format, dilations)
        if channels_first:
            x = xp.transpose(x, (0, *range(2, rank + 2), 1))
        spatial = slice(2, None) if channels_first else slice(1, -1)
        channels, lengths = _read_output_shape(xp, output_shape, rank, spatial, x.shape[1:-1])
        planned = plan_for(
            x,
            filters,
            _spatial(strides, rank, spatial),
            _spatial(padding, rank, spatial),
            output_shape=lengths,
            dilations=1 if dilations is None else _spatial(dilations, rank, spatial),
            groups=_groups(channels, filters.shape[-2]),
            form=form,
        )
        y = apply(planned, x, filters, interleave=interleave)
        if channels_first:
            y = xp.transpose(y, (0, rank + 1, *range(1, rank + 1)))
        # What could not be read now is checked when it is known: the default size was assumed, never guessed.
        return y if output_shape is None or (channels and None not in lengths) else xp.check_shape(y, output_shape)


def plan_for(x, filters, strides, padding, *, form="auto", **geometry):
    """Plan for arrays that are at hand; "auto" is resolved by `splitdeconv.plan.auto_form`.

    Args:
        x: channels-last array; its unknown lengths stay open.
        filters: ``(*kernel_size, out_channels // groups, in_channels)``.
        strides, padding, geometry: as for `splitdeconv.plan`.
        form: a form of `splitdeconv.plan`, or "auto".
    """
    sizes, kernel = tuple(x.shape[1:-1]), tuple(filters.shape[:-2])
    planned = plan(sizes, kernel, strides, padding, **geometry, form="split" if form == "auto" else form)
    if form != "auto":
        return planned
    form = auto_form(planned.axes, filters.shape[-2] * planned.groups, planned.groups)
    return plan(sizes, kernel, strides, padding, **geometry, form=form)


def _arrays(x, filters):
    """The input as array of TensorFlow or JAX; NumPy filters stay as they are, to be split on the host."""
    try:
        library = backends.of(x).__name__
    except SplitDeconvError:
        library = ""
    if not library.endswith(("tensorflow", "jax")):
        x = require("tensorflow", "tensorflow").convert_to_tensor(x)
    if not isinstance(filters, np.ndarray):
        filters = backends.of(x).as_tensor(filters)
    return x, filters


def _spatial(value, rank, spatial):
    """The spatial part of an argument that may be given for every dimension of the input, as tf.nn allows."""
    if isinstance(value, list | tuple) and len(value) == rank + 2:
        return tuple(value)[spatial]
    if isinstance(value, list | tuple) and len(value) == 1:
        return tuple(value) * rank
    return value


def _read_output_shape(xp, output_shape, rank, spatial, sizes):
    """Channels and spatial lengths of an output shape; None for what is not known before running."""
    if output_shape is None:
        return None, None
    known = xp.static_values(output_shape)
    if len(known) != rank + 2:
        raise SplitDeconvError(
            "the output shape has the wrong rank",
            where="output_shape",
            expected=f"{rank + 2} lengths, batch and channels included",
            got=repr(output_shape),
        )
    channels = known[1] if spatial.stop is None else known[-1]
    return channels, tuple(o if n is not None else None for o, n in zip(known[spatial], sizes, strict=True))


def _groups(channels, per_group):
    """Channel groups, from the output's channels and those of one group of the filters."""
    if channels is None:
        return 1
    if channels % per_group:
        raise SplitDeconvError(
            "the output's channels do not fit the filters",
            where="output_shape",
            expected=f"a multiple of the filters' {per_group} output channels",
            got=f"{channels} channels",
        )
    return channels // per_group
