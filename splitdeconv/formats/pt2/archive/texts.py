"""Which texts of a .pt2 archive are data: names, operators, expressions and structures.

Some of them PyTorch evaluates, or writes into source code, so they may be made of known parts only.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

#: Operators by which a graph computes tensors and sizes. Others read files, or call what they get.
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\."
    r"(__i?(and|or|xor|lshift|rshift)__|(?!from_file)(?!__)\w+)\.(?!__)\w+"
    r"|torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan"
    r"|wrap_with_set_grad_enabled|wrap_with_autocast|auto_functionalized|auto_functionalized_v2"
    r"|flex_attention|hints_wrapper|invoke_subgraph)|torch\.sym_\w+|math\.(?!__)\w+"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor"
    r"|not_|lshift|rshift|getitem)",
    re.ASCII,
)
#: What expressions of sizes are made of, as SymPy writes them.
_EXPRESSIONS = frozenset(
    (
        *("Add", "Mul", "Pow", "Integer", "Rational", "Float", "Symbol", "Max", "Min", "Mod"),
        *("PythonMod", "FloorDiv", "CeilDiv", "CleanDiv", "IntTrueDiv", "FloatTrueDiv"),
        *("ModularIndexing", "Where", "PowByNatural", "FloatPow", "Abs", "TruncToInt"),
        *("CeilToInt", "FloorToInt", "RoundToInt", "RoundDecimal", "ToFloat"),
        *("IsNonOverlappingAndDenseIndicator", "LShift", "RShift", "Equality", "Unequality"),
        *("Eq", "Ne", "Ge", "Gt", "Le", "Lt", "GreaterThan", "LessThan", "StrictGreaterThan"),
        *("StrictLessThan", "And", "Or", "Not", "Piecewise", "ExprCondPair", "Tuple", "Identity"),
        *("floor", "ceiling", "true", "false", "Infinity", "NegativeInfinity", "Zero", "One"),
        *("NegativeOne", "Half", "oo"),
    )
)
_SYMBOL = re.compile(r"[a-z]{1,3}\d{1,6}", re.ASCII)
#: Parts of an expression that do nothing by themselves.
_PLAIN = (
    *(ast.Expression, ast.expr_context, ast.keyword, ast.operator, ast.unaryop, ast.boolop),
    *(ast.cmpop, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Tuple, ast.List),
)
_GUARD_CALLS = frozenset({"len", "max", "min", "abs", "int", "float", "round"})
_GUARD_ATTRIBUTES = frozenset(
    (
        *("size", "stride", "dim", "ndim", "shape", "storage_offset", "numel", "item", "floor"),
        *("ceil", "inf", "isnan", "sym_max", "sym_min", "sym_int", "sym_float", "sym_not"),
    )
)
#: The kinds of structures. Others import the modules that they name.
_CONTAINERS = frozenset(
    (
        *("builtins.tuple", "builtins.list", "builtins.dict"),
        *("collections.OrderedDict", "collections.deque", "collections.namedtuple"),
    )
)
_DEEPEST = 200
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Without what ends a literal or a line.
_TEXT = re.compile(r"[^\"'\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_STACK = re.compile(r"[^\"\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_SOURCE = re.compile(r"\w+,(?!\w*__)[\w.]+(;\w+,(?!\w*__)[\w.]+)*", re.ASCII)
_STORED = re.compile(r"(weight|tensor)_\d+", re.ASCII)
# The keys of a structure may become the names of arguments.
_KEY = re.compile(r"[\w .-]*", re.ASCII)


def is_name(text: str) -> bool:
    """Whether a text can name a node or an argument, and be nothing else in source code."""
    return _NAME.fullmatch(text) is not None


def is_text(text: str) -> bool:
    """Whether a text stays one between any quotes."""
    return _TEXT.fullmatch(text) is not None


def is_stack(text: str) -> bool:
    """Whether a text stays one between double quotes, as paths such as L['self'].up must."""
    return _STACK.fullmatch(text) is not None


def is_source(text: str) -> bool:
    """Whether a text names nodes and functions, which are looked up and not called."""
    return _SOURCE.fullmatch(text) is not None


def is_stored(text: str) -> bool:
    """Whether a text names a member that holds a tensor's bytes, and not a pickle."""
    return _STORED.fullmatch(text) is not None


def is_operator(text: str) -> bool:
    """Whether a text is the name of an operator without side effects."""
    return _TARGETS.fullmatch(text) is not None


def is_size(text: str) -> bool:
    """Whether a text calls known functions of SymPy on numbers and names of symbols."""
    return _computes(text, _is_part_of_size)


def is_guard(text: str) -> bool:
    """Whether a text compares lengths of inputs and numbers, such as L['x'].size()[0] == 2."""
    return _computes(text, _is_part_of_guard)


def is_structure(text: str) -> bool:
    """Whether a text describes tuples, lists and dictionaries with plain keys."""
    try:
        protocol, tree = json.loads(text)
        return type(protocol) is int and _is_container(tree)
    except (ValueError, TypeError, RecursionError):
        return False


def _is_container(tree: Any, depth: int = 0) -> bool:
    if not isinstance(tree, dict) or depth > _DEEPEST:
        return False
    kind, context, children = (tree.get(key) for key in ("type", "context", "children_spec"))
    fits = kind in _CONTAINERS and _is_context(context) if kind is not None else context is None
    return (
        fits and isinstance(children, list) and all(_is_container(c, depth + 1) for c in children)
    )


def _is_context(context: Any) -> bool:
    """Whether it is the keys of a dictionary, a length or the name of a type, as text."""
    if not isinstance(context, str):
        return context is None
    try:
        value = json.loads(context)
    except (ValueError, RecursionError):
        value = context
    return all(
        _KEY.fullmatch(one) is not None
        if isinstance(one, str)
        else one is None or isinstance(one, int | float)
        for one in (value if isinstance(value, list) else [value])
    )


def _computes(text: str, allows: Callable[[ast.AST], bool]) -> bool:
    """Whether a text is one Python expression of which every part is allowed."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return all(isinstance(node, _PLAIN) or allows(node) for node in ast.walk(tree))


def _is_part_of_size(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)
    if isinstance(node, ast.Name):
        return node.id in _EXPRESSIONS or _SYMBOL.fullmatch(node.id) is not None
    return isinstance(node, ast.Constant) and (
        not isinstance(node.value, str) or _SYMBOL.fullmatch(node.value) is not None
    )


def _is_part_of_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        named = node.func
        return isinstance(named, ast.Attribute) or getattr(named, "id", "") in _GUARD_CALLS
    if isinstance(node, ast.Attribute):
        return node.attr in _GUARD_ATTRIBUTES
    if isinstance(node, ast.Name):
        return node.id in {"L", "math", "torch", *_GUARD_CALLS}
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str) or node.value.isidentifier()
    return isinstance(node, ast.Subscript)
