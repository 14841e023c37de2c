"""The operators that a .pt2 archive may call: those that only compute, and check what they get."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ....extras import require

#: What Python itself computes with sizes, and the operators that hold a graph of their own.
_OUTSIDE = re.compile(
    r"torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan"
    r"|wrap_with_set_grad_enabled|wrap_with_autocast|auto_functionalized|auto_functionalized_v2"
    r"|flex_attention|hints_wrapper|invoke_subgraph)|torch\.sym_\w+|math\.(?!__)\w+"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor"
    r"|not_|lshift|rshift|getitem)",
    re.ASCII,
)
_BITWISE = r"__i?(?:and|or|xor|lshift|rshift)__"
_LIBRARY = re.compile(rf"torch\.ops\.(\w+)\.({_BITWISE}|(?!__)\w+)\.((?!__)\w+)", re.ASCII)
#: PyTorch's own libraries, whose schemas are known, and those that may not be loaded here.
_KNOWN = ("aten", "prims", "quantized")
_OTHERS = ("quantized_decomposed", "torchvision")
# They read memory at whatever indices, lengths or strides they are given, or are tests.
_UNCHECKED = re.compile(
    r"_sparse_\w+_unsafe|_sparse_coo_tensor_with_dims\w*|_nested_\w+|_?segment_reduce\w*"
    r"|_index_put_impl_?|_reshape_alias\w*|_coalesced_?|_test_\w+|_print|_validate_\w+"
)
#: Types of arguments and results that are neither tensors nor numbers.
_FOREIGN = re.compile(r"Storage|Stream|Any|Dict|__torch__\.torch\.classes\.rnn")


def is_operator(text: str) -> bool:
    """Whether a text is the name of an operator that computes tensors and sizes, and no more."""
    if _OUTSIDE.fullmatch(text):
        return True
    named = _LIBRARY.fullmatch(text)
    if named is None or named[1] not in _KNOWN + _OTHERS or _UNCHECKED.fullmatch(named[2]):
        return False
    # Files with operators of a library that is not loaded cannot be read further on.
    return named[1] in _OTHERS or _computes(*named.groups())


def is_named(text: str) -> bool:
    """Whether a text calls an operator of some library, other than the one that reads files."""
    named = _LIBRARY.fullmatch(text)
    return named is not None and named[2] != "from_file"


@cache
def _computes(library: str, name: str, overload: str) -> bool:
    """Whether the dispatcher has an operator that touches no files, by the types it declares."""
    qualified = f"{library}::{name}"
    overload = "" if overload == "default" else overload
    if f"{qualified}.{overload}".removesuffix(".") not in _dispatched():
        return False
    schema: Any = require("torch", "torch")._C._get_schema(qualified, overload)
    types = [str(one.type) for one in (*schema.arguments, *schema.returns)]
    reads = any(argument.name == "filename" for argument in schema.arguments)
    return not reads and not any(map(_FOREIGN.search, types))


@cache
def _dispatched() -> frozenset[str]:
    """The operators that the dispatcher knows; TorchScript's own are not among them."""
    return frozenset(require("torch", "torch")._C._dispatch_get_all_op_names())
