"""The subjects that are compiled for TPUs: single layers, whole networks, and chains of layers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import SplitDeconvError

if TYPE_CHECKING:
    import keras

#: What `libtpu.cases` combines with configurations.
Subject: TypeAlias = dict[str, Any]


def layers(
    model: "str | os.PathLike[str] | keras.Model", name: str | None = None, **options: Any
) -> list[Subject]:
    """Subjects for `libtpu.cases`: each transposed convolution of a model in isolation.

    Args:
        model: a model and options as for `splitdeconv.networks.layer_table`.
        name: the name of the model in the column ``network``.
    """
    from ...networks import layer_table

    rows = layer_table(model, **options).query("kind == 'deconv'").to_dict("records")
    name = name or (model if isinstance(model, str) else getattr(model, "name", str(model)))
    subject = {"network": name, "kind": "layer"}
    return [{**subject, "layer": row["name"], "layers": [row]} for row in rows]


def whole(model: str | os.PathLike[str], name: str | None = None) -> Subject:
    """Subject for `libtpu.cases`: a whole network.

    Args:
        model: the name of a benchmark network, or the path of a .keras file.
        name: the name of the model in the column ``network``.

    Raises:
        SplitDeconvError: it is neither.
    """
    from ...networks import names

    known = model if isinstance(model, str) and model in names() else None
    if not known and not (isinstance(model, str | os.PathLike) and Path(model).is_file()):
        raise SplitDeconvError(
            "invalid model: expected one that can be compiled as a whole",
            where="model",
            expected=f"the path of a .keras file, or one of {', '.join(names())}",
            got=repr(str(model)) if isinstance(model, str | os.PathLike) else type(model).__name__,
            fix="save the model and pass its path",
        )
    layer_rows = [row for part in (layers(known) if known else ()) for row in part["layers"]]
    subject = {"network": name or known or Path(model).stem, "layer": "whole network"}
    source = known or str(Path(model).resolve())
    return {**subject, "kind": "network", "model": source, "layers": layer_rows}


def chain(network: str) -> Subject:
    """Subject for `libtpu.cases`: a chain of a benchmark network's transposed convolutions.

    It has the forms of layers, with an interleave after each layer, and the form "apart", with one
    interleave after the last; see `phase_chain`.
    """
    rows = [row for part in layers(network) for row in part["layers"]]
    return {"network": network, "layer": "chain", "kind": "chain", "layers": rows}
