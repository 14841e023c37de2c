"""Whether what an archive says of its stored tensors fits the bytes that it stores."""

from __future__ import annotations

from math import prod
from typing import Any

from ....extras import require

#: Bytes up to which a tensor may be larger than what is stored of it, as repeated values are.
_REPEATED = 1 << 28


def check(config: dict[str, Any], sizes: dict[str, int]) -> None:
    """Check the tensors of one configuration against the members that hold them.

    Args:
        config: from name to PyTorch's record of the tensor, each field of its own type.
        sizes: bytes of each member of the same folder.

    Raises:
        ValueError: a tensor reaches beyond its bytes, or is much larger than they are.
    """
    dtypes = require("torch._export.serde.serialize", "torch")._SERIALIZE_TO_TORCH_DTYPE
    for name, record in config.items():
        tensor, stored = record["tensor_meta"], sizes.get(record["path_name"])
        if tensor is None or stored is None:
            raise ValueError(f"the tensor {name} is not stored")
        item = dtypes[tensor["dtype"]].itemsize
        lengths, strides = (list(map(_whole, tensor[key])) for key in ("sizes", "strides"))
        offset = _whole(tensor["storage_offset"])
        if len(lengths) != len(strides) or min((offset, *lengths, *strides)) < 0:
            raise ValueError(f"the tensor {name} has sizes {lengths} and strides {strides}")
        count = prod(lengths)
        steps = ((n - 1) * step for n, step in zip(lengths, strides, strict=True))
        reach = (offset + sum(steps) + 1) * item if count else 0
        if reach > stored or count * item > stored + _REPEATED:
            raise ValueError(
                f"the tensor {name} of sizes {lengths} and strides {strides} is stored in "
                f"{stored} bytes"
            )


def _whole(record: dict[str, Any]) -> int:
    """The number in a record that could also hold an expression."""
    value = record.get("as_int")
    if not isinstance(value, int):
        raise ValueError("the size of a stored tensor is no number")
    return value
