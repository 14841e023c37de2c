"""Whether a .pt2 archive holds data alone, so that PyTorch can read it without running its code.

PyTorch reads such an archive as it would a program of its own: it evaluates expressions of sizes as
Python, finds operators by the path of any attribute, unpickles some tensors, and loads compiled
libraries. Everything that is more than a graph of PyTorch's operators, numbers and names is
therefore refused before PyTorch sees the file.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from .members import Members
from .refusals import damaged, refuse

#: Operators by which a graph computes tensors and sizes. Others read files, or call what they get.
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.(?!from_file)(?!__)\w+"
    r"\.(?!__)\w+|torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan"
    r"|wrap_with_set_grad_enabled|wrap_with_autocast|auto_functionalized|auto_functionalized_v2"
    r"|flex_attention|hints_wrapper|invoke_subgraph)|torch\.sym_\w+|math\.(?!__)\w+"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor"
    r"|not_|lshift|rshift|getitem)"
)
#: What expressions of sizes are made of, as SymPy writes them.
_EXPRESSIONS = frozenset(
    (
        *("Add", "Mul", "Pow", "Integer", "Rational", "Float", "Symbol", "Max", "Min", "Mod"),
        *("PythonMod", "FloorDiv", "CeilDiv", "CleanDiv", "IntTrueDiv", "FloatTrueDiv"),
        *("ModularIndexing", "Where", "PowByNatural", "FloatPow", "Abs", "TruncToInt", "CeilToInt"),
        *(
            "FloorToInt",
            "RoundToInt",
            "RoundDecimal",
            "ToFloat",
            "IsNonOverlappingAndDenseIndicator",
        ),
        *("LShift", "RShift", "Equality", "Unequality", "Eq", "Ne", "Ge", "Gt", "Le", "Lt"),
        *("GreaterThan", "LessThan", "StrictGreaterThan", "StrictLessThan", "And", "Or", "Not"),
        *("Piecewise", "ExprCondPair", "Tuple", "Identity", "floor", "ceiling", "true", "false"),
        *("Infinity", "NegativeInfinity", "Zero", "One", "NegativeOne", "Half", "oo"),
    )
)
_SYMBOL = re.compile(r"[a-z]{1,3}\d{1,6}")
#: Parts of an expression that do nothing by themselves.
_PLAIN = (
    *(ast.Expression, ast.expr_context, ast.keyword, ast.operator, ast.unaryop, ast.boolop),
    *(ast.cmpop, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Tuple, ast.List),
)
_GUARD_CALLS = frozenset({"len", "max", "min", "abs", "int", "float", "round"})
_GUARD_ATTRIBUTES = frozenset(
    (
        *(
            "size",
            "stride",
            "dim",
            "ndim",
            "shape",
            "storage_offset",
            "numel",
            "item",
            "floor",
            "ceil",
        ),
        *("inf", "isnan", "sym_max", "sym_min", "sym_int", "sym_float", "sym_not"),
    )
)
#: The kinds of structures.
_CONTAINERS = frozenset(
    (
        *("", "None", "builtins.tuple", "builtins.list", "builtins.dict", "builtins.NoneType"),
        *("collections.OrderedDict", "collections.deque", "collections.namedtuple"),
    )
)
_DEEPEST = 200


def check(members: Members, where: str) -> None:
    """Refuse members that PyTorch would read by running code that is in them.

    Args:
        members: of the archive.
        where: the name of the file in errors.

    Raises:
        SplitDeconvError: naming the member and what in it is not data; or a member is damaged.
    """
    for name in (name for name in members.data if name.endswith("_config.json")):
        for tensor, is_plain in _tensors(_read(members, name, where), where):
            if not is_plain:
                raise refuse(where, f"{name}, {tensor}", "a pickle")
    for what, text in _dubious(_read(members, members.model, where)):
        raise refuse(where, what, text)


def _read(members: Members, name: str, where: str) -> Any:
    """A member that is JSON."""
    try:
        return json.loads(members.data[name])
    except (ValueError, RecursionError) as error:
        raise damaged(where, error) from None


def _tensors(config: Any, where: str) -> Iterator[tuple[str, bool]]:
    """(name, whether it is stored as plain numbers) of every tensor in a list of them."""
    try:
        for name, entry in config["config"].items():
            plain = str(entry["path_name"]).startswith(("weight_", "tensor_"))
            yield str(name), plain and not entry["use_pickle"]
    except (LookupError, TypeError, AttributeError) as error:
        raise damaged(where, error) from None


def _dubious(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(place, text) of everything in a program that PyTorch would run, and that is not known."""
    if depth > _DEEPEST:
        yield "the program", "a structure that is too deep"
    elif isinstance(value, list):
        for inner in value:
            yield from _dubious(inner, depth + 1)
    elif isinstance(value, dict):
        operators = [value.get("as_operator")]
        if "inputs" in value and "target" in value:  # a node; others name tensors
            operators.append(value["target"])
        for name in operators:
            if name is not None and not _TARGETS.fullmatch(str(name)):
                yield "an operator", str(name)
        for text in [value["expr_str"]] if "expr_str" in value else []:
            if not _computes(text, _is_size):
                yield "an expression of a size", str(text)
        for text in value.get("guards_code") or ():
            if not _computes(text, _is_guard):
                yield "a condition on inputs", str(text)
        for key in ("in_spec", "out_spec"):
            if isinstance(value.get(key), str) and not _is_plain(value[key]):
                yield "a structure of inputs or outputs", value[key]
        for name, inner in value.items():
            if name != "guards_code":
                yield from _dubious(inner, depth + 1)


def _is_plain(spec: str) -> bool:
    """Whether a structure consists of tuples, lists and dictionaries of known kinds.

    PyTorch imports the modules of enumerations and of default values by the names in it.
    """
    waiting: list[Any] = [spec]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and one[:1] in ("[", "{", '"'):
            # A structure holds further ones as texts.
            try:
                one = json.loads(one)
            except (ValueError, RecursionError):
                return False
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if str(one.get("type", "")) not in _CONTAINERS or "__enum__" in one:
                return False
            waiting += [*one.keys(), *one.values()]
    return True


def _computes(text: Any, allows: Callable[[ast.AST], bool]) -> bool:
    """Whether a text is one Python expression of which every part is allowed."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, TypeError, MemoryError):
        return False
    return all(isinstance(node, _PLAIN) or allows(node) for node in ast.walk(tree))


def _is_size(node: ast.AST) -> bool:
    """Calls of known functions of SymPy, on numbers and on names of symbols."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)
    if isinstance(node, ast.Name):
        return node.id in _EXPRESSIONS or _SYMBOL.fullmatch(node.id) is not None
    return isinstance(node, ast.Constant) and (
        not isinstance(node.value, str) or _SYMBOL.fullmatch(node.value) is not None
    )


def _is_guard(node: ast.AST) -> bool:
    """Comparisons of lengths of the inputs and numbers, such as L['x'].size()[0] == 2."""
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
