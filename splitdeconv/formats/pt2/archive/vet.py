"""Whether a .pt2 archive holds data alone, so that PyTorch can read it without running its code.

PyTorch reads such an archive as it would a program of its own: it evaluates expressions of sizes as
Python, finds operators by the path of any attribute, writes names into source code that it runs,
imports modules that a structure names, and unpickles some tensors. So each text in the archive must
be what its place in PyTorch's own schema calls for, of a kind from which no code can be made.
PyTorch is given what was checked, written anew, and nothing else.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable
from typing import Any

from ....errors import SplitDeconvError
from ....extras import require
from . import devices, operators, payloads, texts
from .members import Members
from .refusals import damaged, foreign, refuse


class Rule(typing.NamedTuple):
    """Which texts are data in some place.

    Args:
        allows: whether a text is.
        what: what an error calls the place.
        anew: writes the text as PyTorch will be given it.
    """

    allows: Callable[[str], bool]
    what: str
    anew: Callable[[str], str] = str


_NAME = Rule(texts.is_name, "a name")
_TEXT = Rule(texts.is_text, "a text")
_QUOTED = Rule(texts.is_quoted, "a text")
_PATH = Rule(texts.is_text, "the name of a module or a tensor")
_OPERATOR = Rule(operators.is_operator, "an operator")
_SIZE = Rule(texts.is_size, "an expression of a size", texts.rewritten)
_GUARD = Rule(texts.is_guard, "a condition on inputs", texts.rewritten)
_NEVER = Rule(lambda _: False, "an object of another library")
#: By class and field of PyTorch's schema; names elsewhere.
_RULES: dict[tuple[str, str], Rule] = {
    ("Argument", "as_operator"): _OPERATOR,
    ("Argument", "as_string"): _TEXT,
    ("Argument", "as_strings"): _TEXT,
    ("BufferMutationSpec", "buffer_name"): _PATH,
    ("ConstantValue", "as_string"): _TEXT,
    ("CustomObjArgument", "class_fqn"): _NEVER,
    ("ExportedProgram", "guards_code"): _GUARD,
    ("ExportedProgram", "torch_version"): _TEXT,
    ("GradientToParameterSpec", "parameter_name"): _PATH,
    ("InputToBufferSpec", "buffer_name"): _PATH,
    ("InputToParameterSpec", "parameter_name"): _PATH,
    ("InputToTensorConstantSpec", "tensor_constant_name"): _PATH,
    ("ModuleCallEntry", "fqn"): _PATH,
    ("ModuleCallSignature", "in_spec"): Rule(texts.is_input_structure, "a structure of inputs"),
    ("ModuleCallSignature", "out_spec"): Rule(texts.is_structure, "a structure of outputs"),
    ("NamedArgument", "name"): Rule(lambda text: not text or texts.is_name(text), "a name"),
    ("Node", "target"): _OPERATOR,
    ("ParameterMutationSpec", "parameter_name"): _PATH,
    ("PayloadMeta", "path_name"): Rule(texts.is_stored, "a pickle"),
    ("SymExpr", "expr_str"): _SIZE,
}
#: Likewise for the keys of dictionaries.
_KEYS: dict[tuple[str, str], Rule] = {
    ("ExportedProgram", "range_constraints"): _SIZE,
    ("GraphModule", "treespec_namedtuple_fields"): _PATH,
    ("PayloadConfig", "config"): _PATH,
}
#: What is kept of the remarks on a node; none of it becomes code.
_REMARKS: dict[str, Callable[[str], bool]] = {
    "nn_module_stack": texts.is_module_stack,
    "source_fn_stack": texts.is_source,
    "stack_trace": lambda _: True,
    "torch_fn": texts.is_text,
}
#: Numbers that JSON has no notation for.
_NUMBERS = frozenset({"Infinity", "-Infinity", "NaN", "inf", "-inf", "nan"})
_DEEPEST = 200


def checked(members: Members, where: str) -> Members:
    """The members with their JSON written anew, once everything in it is known to be data.

    Args:
        members: of the archive.
        where: the name of the file in errors.

    Raises:
        SplitDeconvError: naming the member and what in it is not data; or a member is damaged.
    """
    schema = require("torch._export.serde.schema", "torch")
    kinds = {members.model: schema.ExportedProgram}
    kinds |= {n: schema.PayloadConfig for n in members.data if n.endswith("_config.json")}
    data = dict(members.data)
    for name, kind in kinds.items():
        try:
            tree = _Walk(vars(schema), where, name).value(kind, json.loads(data[name]))
            if kind is schema.PayloadConfig:
                folder = name.rpartition("/")[0] + "/"
                held = {n.removeprefix(folder): len(d) for n, d in members.data.items()}
                payloads.check(tree["config"], held)
        except SplitDeconvError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise damaged(where, error) from None
        data[name] = json.dumps(tree).encode()
    return Members(data)


class _Walk:
    """Checks one member against PyTorch's schema.

    Args:
        names: those of the schema.
        where: the name of the file in errors.
        member: that of the member.
    """

    def __init__(self, names: dict[str, Any], where: str, member: str) -> None:
        self._names, self._where, self._member = names, where, member
        self._depth = 0
        self._quoted = False  # whether PyTorch writes the texts here as literals of its own
        self._fields: dict[type, dict[str, Any]] = {}

    def value(self, kind: Any, value: Any, place: tuple[str, str] = ("", "")) -> Any:
        """A value of a kind, as PyTorch will be given it.

        Args:
            kind: a type of the schema.
            value: what JSON holds there.
            place: class and field that hold it.

        Raises:
            SplitDeconvError: a text in it is not data.
            ValueError: it is of another kind.
        """
        if typing.get_origin(kind) in (typing.Union, types.UnionType):
            (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
            if value is None:
                return None
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self._record(kind, value)
        inner = typing.get_args(kind)
        if typing.get_origin(kind) is list and isinstance(value, list):
            return [self.value(inner[0], one, place) for one in value]
        if typing.get_origin(kind) is dict and isinstance(value, dict):
            if place in (("Node", "metadata"), ("GraphModule", "metadata")):
                return _remarks(value)
            rule = _KEYS.get(place, _NAME)
            return {self._text(k, rule): self.value(inner[1], v, place) for k, v in value.items()}
        if kind is str and isinstance(value, str):
            return self._text(value, _RULES.get(place, _NAME))
        if kind is float and (type(value) in (int, float) or value in _NUMBERS):
            return value
        whole = kind is int or (isinstance(kind, type) and issubclass(kind, enum.IntEnum))
        if (whole and type(value) is int) or (kind is bool and type(value) is bool):
            return value
        expected = getattr(kind, "__name__", str(kind))
        raise ValueError(f"{'.'.join(place)}: expected {expected}, got {type(value).__name__}")

    def _record(self, kind: type, value: Any) -> dict[str, Any]:
        """A record of the schema, or one of several alternatives; other fields are left out."""
        if not isinstance(value, dict):
            raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
        is_union = issubclass(kind, self._names["_Union"])
        if kind not in self._fields:
            hints = typing.get_type_hints(kind, globalns=self._names)
            self._fields[kind] = {f.name: hints[f.name] for f in dataclasses.fields(kind)}
        fields = self._fields[kind]
        if is_union and (len(value) != 1 or not value.keys() <= fields.keys()):
            raise ValueError(f"{kind.__name__}: expected one of its kinds, got {list(value)[:3]}")
        if kind.__name__ == "PayloadMeta" and value.get("use_pickle") is not False:
            raise refuse(self._where, self._member, "a pickle")
        if kind.__name__ == "Device":
            devices.check(self._text(value.get("type"), _NAME), self._where)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise refuse(self._where, "the program", "a structure that is too deep")
        outside = self._quoted
        # Arguments of operators become literals; inputs and outputs of graphs become code.
        self._quoted = kind.__name__ == "NamedArgument" or (outside and kind.__name__ != "Graph")
        made = {
            name: self.value(inner, value[name], (kind.__name__, name))
            for name, inner in fields.items()
            if name in value
        }
        self._quoted = outside
        self._depth -= 1
        return made

    def _text(self, text: Any, rule: Rule) -> str:
        if rule is _TEXT and self._quoted:
            rule = _QUOTED
        if isinstance(text, str) and rule.allows(text):
            return rule.anew(text)
        place = f"{self._member}, {rule.what}"
        if rule is _OPERATOR and isinstance(text, str) and operators.is_named(text):
            raise foreign(self._where, place, text)
        raise refuse(self._where, place, str(text))


def _remarks(value: dict[str, Any]) -> dict[str, str]:
    """The remarks on a node that are kept."""
    return {
        name: text
        for name, text in value.items()
        if isinstance(text, str) and name in _REMARKS and _REMARKS[name](text)
    }
