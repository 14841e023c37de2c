"""Every layer of a model file that multiplies, as one row of sizes: what `splitdeconv.dlp.workload` takes.

Files are read as the converters read them, with the same checks and in the same child process, and nothing is run.
An operator that may multiply but is not described here is a refusal, so that no work is left out of a network in
silence.
"""

from ..errors import SplitDeconvError
from .exchange import job


def layer_rows(model, size=None, *, timeout=None, memory=None):
    """The layers of a model that multiply, in the order of the file.

    Args:
        model: path or bytes of a .tflite, .onnx or .keras model.
        size: height and width of the image, for an ONNX model that leaves them open.
        timeout, memory: limits of the child process in seconds and GiB; by default grown with the file.

    Returns:
        A list of mappings, with keys of `splitdeconv.networks.table.COLUMNS`. `padding` is "EXPLICIT" where `before_h`
        to `end_w` alone say it.

    Raises:
        SplitDeconvError: no sound model, a size that is known only at run time, or an operator that is not described.
    """
    with job("layers", model, timeout, memory, options={"size": size}) as prepared:
        return prepared.run()


def read(kind, data, where, path=None, size=None):
    """As `layer_rows`, in this process, of the bytes of a model of a known `kind`; `where` names it in a refusal."""
    if kind == "onnx":
        from .onnx_layers import layers

        return layers(data, where, size)
    if size is not None:
        raise SplitDeconvError(
            "only an ONNX model can leave its image size open",
            where=where,
            expected=f"no size for a {kind} model",
            got=f"size {size}",
        )
    if kind == "tflite":
        from .tflite_layers import layers

        return layers(data, where)
    from ..networks import layer_table
    from .rewrite import parse

    return layer_table(parse(kind, data, path).serialize()).to_dict("records")


def row(name, kind, sizes, c_in, c_out, kernel=(1, 1), strides=(1, 1), dilations=(1, 1), groups=1, **more):
    """One layer.

    Args:
        name: as the file has it.
        kind: "conv", "deconv" or "dense".
        sizes, kernel, strides, dilations: of its input and its window, per axis.
        c_in, c_out, groups: channels, of all groups.
        **more: `padding`, a word; `outputs`, `before`, `end` per axis.
    """
    layer = {"name": name, "kind": kind, "c_in": c_in, "c_out": c_out, "groups": groups}
    pairs = {"in": sizes, "k": kernel, "stride": strides, "dilation": dilations, "out": more.pop("outputs", None)}
    pairs |= {key: more.pop(key, None) for key in ("before", "end")}
    for key, values in pairs.items():
        if values is not None:
            missing = (int(key not in ("before", "end")),) * (2 - len(values))
            layer[f"{key}_h"], layer[f"{key}_w"] = (*missing, *map(int, values))
    return layer | more


def deconv(site, where):
    """The row of a transposed convolution that the converters have found, convertible or not.

    Raises:
        SplitDeconvError: its geometry cannot be told, or has more than two axes.
    """
    axes = site.axes
    if axes is None or len(axes) > 2 or any(axis.n is None for axis in axes):
        raise refusal(site.name, where, site.problem or f"geometry {site.geometry}", "one or two axes of known length")
    sizes, kernel, strides, dilations, outputs, before = ([getattr(a, f) for a in axes] for f in "nksdop")
    end = [max((a.n - 1) * a.s + a.k_e - a.p - a.o, 0) for a in axes]
    crops = {"padding": "EXPLICIT", "outputs": outputs, "before": before, "end": end}
    channels = site.in_channels, site.out_channels
    return row(site.name, "deconv", sizes, *channels, kernel, strides, dilations, site.groups, **crops)


def dense(name, shape, c_in, c_out, batch, where):
    """The row of a product with a matrix of `c_in` by `c_out` weights; `shape` is that of what it multiplies."""
    count = 1
    for length in shape:
        count *= length
    if count % (c_in * batch):
        raise refusal(
            name, where, f"input {list(shape)} under {c_in} inputs", f"a whole number of them per image, of {batch}"
        )
    sizes = shape[1:3] if len(shape) == 4 and shape[3] == c_in and shape[0] == batch else (count // c_in // batch,)
    return row(name, "dense", sizes, c_in, c_out, outputs=sizes)


def images(shape, batch, name, where):
    """Refuse an operator that runs on another number of images than the model does."""
    if shape[0] not in (batch, None):
        raise refusal(name, where, f"a batch of {shape[0]}", f"the batch of the model's input, {batch}")


def refusal(name, where, got, expected):
    """The error of a layer that has no row."""
    return SplitDeconvError(
        "a layer of the model cannot be described", where=f"{where}, {name}", expected=expected, got=got
    )
