"""The subjects that are compiled for TPUs: single layers, whole networks, and chains of layers."""

from os import PathLike
from pathlib import Path

from ...errors import SplitDeconvError


def layers(model, name=None, **options) -> list[dict]:
    """Subjects for `libtpu.cases`: each transposed convolution of a model in isolation.

    Args:
        model: a model and options as for `splitdeconv.networks.layer_table`.
        name: the name of the model in the column ``network``.
    """
    from ...networks import layer_table

    rows = layer_table(model, **options).query("kind == 'deconv'").to_dict("records")
    name = name or (model if isinstance(model, str) else model.name)
    return [
        {"network": name, "layer": row["name"], "kind": "layer", "layers": [row]} for row in rows
    ]


def whole(model, name=None) -> dict:
    """Subject for `libtpu.cases`: a whole network.

    Args:
        model: the name of a benchmark network, or the path of a .keras file.
        name: the name of the model in the column ``network``.

    Raises:
        SplitDeconvError: it is neither.
    """
    from ...networks import names

    known = isinstance(model, str) and model in names()
    if not known and not (isinstance(model, str | PathLike) and Path(model).is_file()):
        raise SplitDeconvError(
            "invalid model: expected one that can be compiled as a whole",
            where="libtpu.whole",
            expected=f"the path of a .keras file, or one of {', '.join(names())}",
            got=repr(str(model)) if isinstance(model, str | PathLike) else type(model).__name__,
            fix="save the model and pass its path",
        )
    layer_rows = [row for part in (layers(model) if known else ()) for row in part["layers"]]
    name = name or (model if known else Path(model).stem)
    model = model if known else str(Path(model).resolve())
    return {
        "network": name,
        "layer": "whole network",
        "kind": "network",
        "model": model,
        "layers": layer_rows,
    }


def chain(network) -> dict:
    """Subject for `libtpu.cases`: a chain of a benchmark network's transposed convolutions.

    It has the forms of layers, with an interleave after each layer, and the form "apart", with one
    interleave after the last; see `phase_chain`.
    """
    rows = [row for part in layers(network) for row in part["layers"]]
    return {"network": network, "layer": "chain", "kind": "chain", "layers": rows}
