"""One node of an accelforge architecture: its numbers, in bits, joules, watts and square metres.

The values there may be expressions of Python. Products, quotients, sums and `inf` are computed;
everything else is refused by name, as nothing in a file is executed.
"""

import ast
import math
import re
from dataclasses import dataclass, field
from typing import Any

from ...datafiles.plain_yaml import TAG
from ...errors import shown
from .architecture import OPERANDS, Reader, join

#: The tags of nodes that can be read.
TAGS = ("!Memory", "!Compute", "!Container")
_SUM = "sum(a.n_calls / a.throughput for a in actions)"
_MAX = "max(a.n_calls / a.throughput for a in actions)"
# Keys whose other values mean what this model does not have.
_FIXED: dict[str, tuple[Any, ...]] = {
    "enabled": (True,),
    **dict.fromkeys(("energy_scale", "area_scale", "leak_power_scale", "throughput_scale"), (1,)),
    **dict.fromkeys(("latency_scale", "actions_scale", "n_parallel_instances"), (1,)),
    **dict.fromkeys(("bits_per_value", "values_per_action"), ({},)),
    "extra_attributes_for_component_model": ({},),
    "skip_initial_output_write": (True,),
    "total_latency": (_SUM,),
}
_KEYS = {
    "!Memory": ("size", "tensors", "actions", "bits_per_action", "component_class"),
    "!Compute": ("actions", "component_class"),
    "!Container": (),
}
_ACTIONS = {"!Memory": ("read", "write"), "!Compute": ("compute",), "!Container": ()}
_ACTION = ("name", "energy", "throughput", "bits_per_action")
_ACTION_FIXED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("energy_scale", "latency_scale", "throughput_scale"), (1,)),
    **dict.fromkeys(("values_per_action", "extra_attributes_for_component_model"), ({},)),
}
_SPATIAL = ("name", "fanout", "reuse", "may_reuse", "min_usage")
_SPATIAL_FIXED: dict[str, tuple[Any, ...]] = {
    "loop_bounds": ([],),
    "usage_scale": (1,),
    "power_gateable": (False,),
}
_TOKENS = re.compile(
    r"(?:\s|[-+*/()]|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.])|inf\b){1,100}"
)


@dataclass
class Node:
    """A node; what the file does not give is absent or None.

    Args:
        path: its place in the file.
        tag: one of `TAGS`.
        bits: size.
        keep: which tensors it keeps, as the file has it.
        energy: J by action, per bit for a memory's.
        rate: actions per second by action; bits per second for a memory's.
        leak: W.
        area: square metres.
        fans: how many of it there are, by the tensor that they share.
    """

    path: str
    tag: str
    bits: float = math.inf
    keep: str = ""
    energy: dict[str, float] = field(default_factory=dict)
    rate: dict[str, float] = field(default_factory=dict)
    leak: float | None = None
    area: float | None = None
    fans: dict[str, int] = field(default_factory=dict)


def node(data: Any, reader: Reader, path: str) -> Node:
    """A node of a file.

    Args:
        data: its plain content.
        reader: collects what is refused.
        path: its place in the file.
    """
    tag = data.get(TAG) if isinstance(data, dict) else None
    if tag not in TAGS:
        reader.refuse(path, f"expected a node tagged {', '.join(TAGS)}, got {shown(data, 60)}")
        return Node(path, "")
    path = f"{path}.{data['name']}" if isinstance(data.get("name"), str) else path
    keys = (TAG, "name", "spatial", "leak_power", "area", *_KEYS[tag], *_FIXED)
    known = reader.mapping(data, path, keys)
    # Separate ports for reading and writing are as good where nothing waits for a buffer.
    allowed = _FIXED | ({"total_latency": (_SUM, _MAX)} if tag == "!Memory" else {})
    reader.fixed(known, allowed, path)
    dummy = str(known.get("component_class")).lower() == "dummy"
    made = Node(path, tag, leak=0.0 if dummy else None, area=0.0 if dummy else None)
    for index, item in enumerate(reader.items(known.get("spatial", []), join(path, "spatial"))):
        _add_fan(item, reader, f"{path}.spatial.{index}", made)
    for key, name in (("leak_power", "leak"), ("area", "area")):
        if key in known:
            setattr(made, name, number(known, key, reader, path))
    if tag == "!Memory":
        made.bits = number(known, "size", reader, path, infinite=True)
        made.keep = _kept(known.get("tensors"), reader, join(path, "tensors"))
    if dummy:
        made.energy = dict.fromkeys(_ACTIONS[tag], 0.0)
    for index, item in enumerate(reader.items(known.get("actions", []), join(path, "actions"))):
        _add_action(item, reader, f"{path}.actions.{index}", made, known)
    return made


def number(
    data: dict[str, Any], key: str, reader: Reader, path: str, *, infinite: bool = False
) -> float:
    """A number of 0 or more, or an expression of numbers; 1, after a refusal."""
    value = data.get(key)
    if isinstance(value, str):
        result = arithmetic(value)
        if result is None:
            why = f"expressions are not evaluated, expected a number, got {shown(value, 60)}"
            reader.refuse(join(path, key), why)
            return 1.0
        value = result
    if infinite and value == math.inf:
        return math.inf
    return reader.number({key: value} if key in data else {}, key, path)


def arithmetic(text: str) -> float | None:
    """The value of a product, quotient, sum or difference of numbers; None for anything else.

    Example:
        >>> arithmetic("1024*64*8"), arithmetic("1 / (8 * 2e9)"), arithmetic("size * 8")
        (524288, 6.25e-11, None)
    """
    if not _TOKENS.fullmatch(text):
        return None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return None


def _value(tree: ast.expr) -> float:
    match tree:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id="inf"):
            return math.inf
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
    raise ValueError


def _add_fan(item: Any, reader: Reader, path: str, made: Node) -> None:
    data = reader.mapping(item, path, (*_SPATIAL, *_SPATIAL_FIXED))
    reader.fixed(data, _SPATIAL_FIXED, path)
    reuse = data.get("reuse")
    if reuse not in OPERANDS:
        expected = f"expected one of {', '.join(OPERANDS)}, got {shown(reuse, 60)}"
        return reader.refuse(join(path, "reuse"), expected)
    reader.fixed(data, {"may_reuse": (reuse,)}, path)
    if reuse in made.fans:
        return reader.refuse(path, f"expected one dimension that shares {reuse}")
    fanout = number(data, "fanout", reader, path)
    made.fans[reuse] = reader.whole({"fanout": fanout}, "fanout", path)


def _kept(tensors: Any, reader: Reader, path: str) -> str:
    data = reader.mapping(tensors, path, ("keep", "may_keep"))
    keep, may_keep = data.get("keep"), data.get("may_keep", "All")
    allowed = ("All", "~Intermediates", *OPERANDS)
    if keep not in allowed:
        reader.refuse(join(path, "keep"), f"expected {', '.join(allowed)}, got {shown(keep, 60)}")
        return ""
    if "may_keep" in data and (may_keep != "All" or keep in OPERANDS):
        reader.refuse(join(path, "may_keep"), "expected none, or All of the first memory")
    return str(keep)


def _add_action(item: Any, reader: Reader, path: str, made: Node, parent: dict[str, Any]) -> None:
    data = reader.mapping(item, path, (*_ACTION, *_ACTION_FIXED, "latency"))
    reader.fixed(data, _ACTION_FIXED, path)
    name = data.get("name")
    if name not in _ACTIONS[made.tag]:
        expected = f"expected {' or '.join(_ACTIONS[made.tag])}, got {shown(name, 60)}"
        return reader.refuse(join(path, "name"), expected)
    bits = 1.0
    for source in (data, parent):
        if made.tag == "!Memory" and "bits_per_action" in source:
            bits = number(source, "bits_per_action", reader, path) or 1.0
            break
    if "energy" in data:
        made.energy[name] = number(data, "energy", reader, path) / bits
    if "throughput" in data:
        made.rate[name] = number(data, "throughput", reader, path, infinite=True) * bits
    elif "latency" in data:  # older files: seconds of one action
        latency = number(data, "latency", reader, path)
        made.rate[name] = bits / latency if latency else math.inf
    return None
