"""Which texts of a .pt2 archive are data: names, expressions, structures and remarks.

Some of them PyTorch evaluates, or writes into source code, so they may be made of known parts only.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

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
# In quotes, SymPy names symbols and writes decimal numbers.
_QUOTED = re.compile(rf"{_SYMBOL.pattern}|-?\d{{1,30}}(\.\d{{1,30}})?(e[+-]?\d{{1,3}})?", re.ASCII)
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
# The greatest expression that is read: PyTorch's own have tens of parts. SymPy multiplies powers,
# and compares every pair of arguments of Max and Min.
_LONGEST, _MOST_PARTS, _MOST_ARGUMENTS, _MOST_EXTREMES = 20_000, 2_000, 64, 12
_HIGHEST, _PRECISE = 12, 64
_RAISE = frozenset({"Pow", "PowByNatural", "FloatPow", "LShift", "RShift", "Float", "RoundDecimal"})
_EXTREMES = frozenset({"Max", "Min"})
_DEEPEST = 200
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Without what ends a literal or a line.
_TEXT = re.compile(r"[^\"'\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_STACK = re.compile(r"[^\"\\\x00-\x1f\x7f-\x9f\u2028\u2029]*")
# Only the functions and modules that PyTorch itself remarks on.
_FUNCTION = r"(torch\.(nn|_C|ops)(\.(?!__)\w+)+|torch\.[a-z_]+|(_operator|math)\.(?!__)\w+)"
_SOURCE = re.compile(rf"\w+,{_FUNCTION}(;\w+,{_FUNCTION})*", re.ASCII)
_BRACKETS = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
_STORED = re.compile(r"(weight|tensor)_\d+", re.ASCII)
# Keys of dictionaries are written between quotes.
_KEY = re.compile(r"[\w .:/@#+~-]*", re.ASCII)


def is_quoted(text: str) -> bool:
    """Whether a text takes one line, for places where PyTorch itself writes the quotes."""
    return len(text) <= _LONGEST and text.isprintable()


def is_name(text: str) -> bool:
    """Whether a text can name a node or an argument, and be nothing else in source code."""
    return _NAME.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a text can be the key of a dictionary, written between any quotes."""
    return _KEY.fullmatch(text) is not None


def is_text(text: str) -> bool:
    """Whether a text stays one between any quotes."""
    return _TEXT.fullmatch(text) is not None


def is_stack(text: str) -> bool:
    """Whether a text stays one between double quotes, as paths such as L['self'].up must."""
    return _STACK.fullmatch(text) is not None


def is_module_stack(text: str) -> bool:
    """Whether a text is the places of modules: key, path and type of each."""
    outside = text
    while (rest := _BRACKETS.sub("", outside)) != outside:
        outside = rest
    return is_stack(text) and all(one.count(",") == 2 for one in outside.split(";"))


def is_source(text: str) -> bool:
    """Whether a text names nodes and functions, which are looked up and not called."""
    return _SOURCE.fullmatch(text) is not None


def is_stored(text: str) -> bool:
    """Whether a text names a member that holds a tensor's bytes, and not a pickle."""
    return _STORED.fullmatch(text) is not None


def is_size(text: str) -> bool:
    """Whether a text calls known functions of SymPy on numbers and names of symbols."""
    return _computes(text, _is_part_of_size)


def is_guard(text: str) -> bool:
    """Whether a text compares lengths of inputs and numbers, such as L['x'].size()[0] == 2."""
    return _computes(text, _is_part_of_guard)


def rewritten(text: str) -> str:
    """An expression, written anew: without remarks, line ends and spellings of its author."""
    return ast.unparse(ast.parse(text, mode="eval"))


def is_structure(text: str) -> bool:
    """Whether a text describes tuples, lists and dictionaries with plain keys."""
    try:
        protocol, tree = json.loads(text)
        return type(protocol) is int and _is_container(tree)
    except (ValueError, TypeError, RecursionError):
        return False


def is_input_structure(text: str) -> bool:
    """Whether a text describes positional arguments and others, whose names may become code."""
    if not is_structure(text):
        return False
    children = json.loads(text)[1]["children_spec"]
    named = [child for child in children if child["type"] == "builtins.dict"]
    return all(map(is_name, (key for child in named for key in _keys(child["context"]))))


def _keys(context: Any) -> list[str]:
    try:
        keys = json.loads(context)
    except (ValueError, TypeError, RecursionError):
        return [str(context)]
    return list(map(str, keys if isinstance(keys, list) else [keys]))


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
    """Whether a text is one Python expression of which every part is allowed and small."""
    if len(text) > _LONGEST:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    parts = list(ast.walk(tree))
    fits = all(isinstance(part, _PLAIN) or allows(part) for part in parts)
    # Others would write it between double quotes.
    return fits and len(parts) <= _MOST_PARTS and all(map(_is_small, parts)) and _stays(tree)


def _stays(tree: ast.Expression) -> bool:
    return is_stack(ast.unparse(tree))


def _is_small(node: ast.AST) -> bool:
    """Whether a part takes little work, whatever its value: no powers of powers, no long lists."""
    if isinstance(node, ast.keyword):
        return isinstance(node.value, ast.Constant) and _is_at_most(node.value.value, _PRECISE)
    raises = _raises(node)
    if isinstance(node, ast.BinOp):
        return not raises or (
            _is_exponent(node.right) and not any(map(_raises, ast.walk(node.left)))
        )
    if isinstance(node, ast.Call):
        if raises:
            inner = (part for given in node.args[:1] for part in ast.walk(given))
            return all(map(_is_exponent, node.args[1:])) and not any(map(_raises, inner))
        called = getattr(node.func, "id", "")
        return len(node.args) <= (_MOST_EXTREMES if called in _EXTREMES else _MOST_ARGUMENTS)
    return True


def _raises(node: ast.AST) -> bool:
    """Whether a part is a power, a shift, or a number of some precision."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Pow | ast.LShift | ast.RShift)
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in _RAISE


def _is_exponent(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_exponent(node.operand)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Integer":
        return all(map(_is_exponent, node.args))
    return isinstance(node, ast.Constant) and _is_at_most(node.value, _HIGHEST)


def _is_at_most(value: object, most: int) -> bool:
    return type(value) in (bool, int) and isinstance(value, int) and value <= most


def _is_part_of_size(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)
    if isinstance(node, ast.Name):
        return node.id in _EXPRESSIONS or _SYMBOL.fullmatch(node.id) is not None
    return isinstance(node, ast.Constant) and (
        _is_number(node.value)
        or (isinstance(node.value, str) and _QUOTED.fullmatch(node.value) is not None)
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
        return _is_number(node.value) or (
            isinstance(node.value, str) and _KEY.fullmatch(node.value) is not None
        )
    return isinstance(node, ast.Subscript)


def _is_number(value: object) -> bool:
    """Whether a literal is a number of a size that lengths have; bytes and the like are none."""
    if type(value) is int:
        return abs(value) <= 1 << 64
    return value is None or type(value) in (bool, float)
