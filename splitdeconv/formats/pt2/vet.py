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
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from ...errors import SplitDeconvError, one_line, shown
from ..recognition import archives, recipes

#: Operators by which a graph computes tensors and sizes. Others read files, or call what they get.
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.(?!from_file)(?!__)\w+"
    r"\.(?!__)\w+|torch\.ops\.higher_order\.(?!__)\w+|torch\.sym_\w+|math\.(?!__)\w+"
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
#: Members with programs for a machine.
_COMPILED = ("data/aotinductor/", "data/executorch/")
_DEEPEST = 200


def check(archive: zipfile.ZipFile, where: str) -> None:
    """Refuse an archive that PyTorch would read by running code that is in it.

    Args:
        archive: the opened file.
        where: its name in errors.

    Raises:
        SplitDeconvError: naming the member and what in it is not data; or a member is damaged.
    """
    every = archive.namelist()
    foreign = next((n for n in every if n.partition("/")[2].startswith(_COMPILED)), None)
    if foreign is not None:
        raise refuse(where, foreign, "compiled code")
    models = [name for name in every if re.search(r"/models/[^/]+\.json$", name)]
    if len(models) != 1:
        raise SplitDeconvError(
            "the .pt2 file does not hold one program",
            where=where,
            expected="one program, as torch.export.save writes it",
            got=f"{len(models)} programs",
            fix="save the program alone with torch.export.save(program, 'model.pt2')",
        )
    for name in (name for name in every if name.endswith("_config.json")):
        for tensor, is_plain in _tensors(_read(archive, name, where), where):
            if not is_plain:
                raise refuse(where, f"{name}, {tensor}", "a pickle")
    for what, text in _dubious(_read(archive, models[0], where)):
        raise refuse(where, what, text)


def _read(archive: zipfile.ZipFile, name: str, where: str) -> Any:
    """A member that is JSON."""
    try:
        return json.loads(archive.read(name))
    except (*archives.BROKEN, RecursionError) as error:
        raise damaged(where, error) from None


def _tensors(config: Any, where: str) -> Iterator[tuple[str, bool]]:
    """(name, whether it is stored as plain numbers) of every tensor in a list of them."""
    try:
        for name, entry in config["config"].items():
            plain = str(entry["path_name"]).startswith(("weight_", "tensor_"))
            yield str(name), plain and not entry["use_pickle"]
    except (LookupError, TypeError, AttributeError) as error:
        raise damaged(where, error) from None


def damaged(where: str, error: Exception) -> SplitDeconvError:
    """The error for an archive that cannot be read."""
    return SplitDeconvError(
        "the .pt2 file cannot be read",
        where=where,
        expected="a whole file, written by torch.export.save of this version of PyTorch or before",
        got=one_line(error, typed=True),
        fix=recipes.AGAIN,
    )


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
        for name, inner in value.items():
            if name != "guards_code":
                yield from _dubious(inner, depth + 1)


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


def refuse(where: str, place: str, got: str) -> SplitDeconvError:
    """The error for an archive that holds more than data."""
    return SplitDeconvError(
        "the .pt2 file holds code, which is never run",
        where=f"{where}, {place}",
        expected="a graph of PyTorch's operators, numbers and plain tensors",
        got=shown(got),
        fix="export the model anew on your own machine: "
        "torch.export.save(torch.export.export(model, inputs), 'model.pt2')",
    )
