"""Check that a TFLite flatbuffer stays within its own bytes, in one pass before anything reads it.

Python's flatbuffers has no verifier, and its readers follow any offset. The contents of tables are
taken from the generated schema itself, so that this check and the readers always use the same
version: the code that builds a table is run against a recorder. Unsigned offsets only point
forwards, so there are no cycles. Shared parts are counted each time they are reached, so that a
small file cannot expand into a large one.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any

from ....errors import SplitDeconvError
from ....extras import require

# The limit of flatbuffers::Verifier in C++.
_MOST_TABLES = 1_000_000
_U16, _U32, _I32 = Struct("<H"), Struct("<I"), Struct("<i")

# Fields that hold a table or a vector of tables; any other offset is a vector of numbers or a
# string.
_TABLES = {
    ("Model", "OperatorCodes"): "OperatorCode",
    ("Model", "Subgraphs"): "SubGraph",
    ("Model", "Buffers"): "Buffer",
    ("Model", "Metadata"): "Metadata",
    ("Model", "SignatureDefs"): "SignatureDef",
    ("Model", "ExternalBufferGroups"): "ExternalBufferGroup",
    ("Model", "ExternalBuffers"): "ExternalBuffer",
    ("SubGraph", "Tensors"): "Tensor",
    ("SubGraph", "Operators"): "Operator",
    ("SignatureDef", "Inputs"): "TensorMap",
    ("SignatureDef", "Outputs"): "TensorMap",
    ("Tensor", "Quantization"): "QuantizationParameters",
    ("Tensor", "Sparsity"): "SparsityParameters",
    ("Tensor", "VariantTensors"): "VariantSubType",
    ("SparsityParameters", "DimMetadata"): "DimensionMetadata",
}
# Fields whose table type is given by the preceding field.
_UNIONS = {
    ("Operator", "BuiltinOptions"): "BuiltinOptions",
    ("Operator", "BuiltinOptions2"): "BuiltinOptions2",
    ("QuantizationParameters", "Details"): "QuantizationDetails",
    ("DimensionMetadata", "ArraySegments"): "SparseIndexVector",
    ("DimensionMetadata", "ArrayIndices"): "SparseIndexVector",
}


def schema() -> Any:
    """The generated schema module.

    Raises:
        SplitDeconvError: ai-edge-litert is not installed.
    """
    return require("ai_edge_litert.schema_py_generated", "tflite")


def make(table: str, /, **fields: Any) -> Any:
    """An object of the schema's object API by table name; early constructors take no fields."""
    part = getattr(schema(), f"{table}T")()
    for field, value in fields.items():
        setattr(part, field, value)
    return part


def damaged(where: str, got: str) -> SplitDeconvError:
    """The error for bytes that are not a valid model."""
    return SplitDeconvError(
        "the TFLite file is damaged",
        where=where,
        expected="a valid flatbuffer",
        got=got,
        fix="export or copy it again",
    )


def beyond(where: str, what: str, start: int, stop: int, size: int) -> SplitDeconvError:
    """The error for a part that refers to bytes beyond the end of the file."""
    given = f"{what} refers to bytes {start:,} to {stop:,}, but the file has {size:,} bytes"
    return damaged(where, given)


def extent(data: bytes, where: str) -> int:
    """Check every table, vector and string that a reader can reach.

    Args:
        data: the bytes of the file.
        where: the name of the file in errors.

    Returns:
        The number of bytes in the flatbuffer; anything after it was appended.

    Raises:
        SplitDeconvError: an offset is out of range, a length is impossible, parts are shared too
            often, or the file uses a newer schema, whose additional fields would be lost.
    """
    walk = _Walk(data, where)
    walk.table("Model", walk.reference(0, "the root"), "Model")
    return walk.end


class _Recorder:
    """Replaces a flatbuffers builder and records the last call."""

    def __getattr__(self, method: str) -> Callable[..., None]:
        def record(*arguments: Any) -> None:
            self.method, self.arguments = method, arguments

        return record


@cache
def _layout(table: str) -> tuple[int, dict[int, tuple[str, int | None]]]:
    """(number of fields, {slot: (field, bytes per element or None)} for offsets) of one table."""
    generated, builder = vars(schema()), _Recorder()
    generated[f"{table}Start"](builder)
    (count,), offsets = builder.arguments, {}
    prefix = f"{table}Add"
    for name, function in generated.items():
        if not name.startswith(prefix):
            continue
        function(builder, 0)
        if builder.method == "PrependUOffsetTRelativeSlot":
            slot, field = builder.arguments[0], name.removeprefix(prefix)
            start, width = generated.get(f"{table}Start{field}Vector"), None
            if start is not None:
                start(builder, 0)
                width = builder.arguments[0]
            offsets[slot] = field, width
    return count, offsets


@cache
def _union(name: str) -> dict[int, str]:
    """The table names of a union, by number."""
    return {
        number: member
        for member, number in vars(getattr(schema(), name)).items()
        if isinstance(number, int)
    }


class _Walk:
    """One pass over a file, with the remaining budget."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.size = data, where, len(data)
        self.end, self.tables = 0, 0
        # Valid files use less than twice their length.
        self.left = 4 * self.size + (1 << 16)

    def need(self, start: int, length: int, path: str) -> None:
        """Reject a range outside the file, and record how much of the file is used."""
        stop = start + length
        if start < 0 or stop > self.size:
            raise beyond(self.where, path, start, stop, self.size)
        self.end = max(self.end, stop)

    def spend(self, cost: int, path: str) -> None:
        """Reject a file that expands to more than a valid file can contain."""
        self.left -= cost
        if self.left < 0:
            raise damaged(self.where, f"{path}: its parts are shared too often")

    def reference(self, position: int, path: str) -> int:
        """The target of the offset at `position`."""
        self.need(position, 4, path)
        return position + _U32.unpack_from(self.data, position)[0]

    def vector(self, position: int, width: int, path: str) -> tuple[int, int]:
        """Position of the first element and length of the vector at `position`."""
        self.need(position, 4, path)
        (length,) = _U32.unpack_from(self.data, position)
        self.need(position + 4, length * width, f"{path}, {length:,} elements of {width} bytes")
        self.spend(length * width, path)
        return position + 4, length

    def table(self, name: str, position: int, path: str) -> None:
        """Check the table at `position` and everything it refers to."""
        self.tables += 1
        if self.tables > _MOST_TABLES:
            raise damaged(self.where, f"more than {_MOST_TABLES:,} tables")
        count, offsets = _layout(name)
        fields = self._fields(position, path)
        if any(fields[count:]):
            raise SplitDeconvError(
                "the TFLite file uses a newer schema than is installed; new fields would be lost",
                where=self.where,
                expected=f"at most {count} fields in {path}",
                got=f"{len(fields)} fields",
                fix="pip install --upgrade ai-edge-litert",
            )
        for slot, (field, width) in offsets.items():
            if slot < len(fields) and fields[slot]:
                inner = f"{path}.{field}"
                target = self.reference(position + fields[slot], inner)
                if (name, field) in _UNIONS:
                    kind = self.data[position + fields[slot - 1]] if fields[slot - 1] else 0
                    self._member(_UNIONS[name, field], kind, target, inner)
                elif (name, field) in _TABLES:
                    self._children(_TABLES[name, field], target, width, inner)
                else:
                    self.vector(target, width or 1, inner)

    def _fields(self, position: int, path: str) -> list[int]:
        """Offsets of a table's fields, from its vtable; 0 for absent fields."""
        self.need(position, 4, path)
        vtable = position - _I32.unpack_from(self.data, position)[0]
        self.need(vtable, 4, f"{path}'s vtable")
        (length,), (inline,) = (_U16.unpack_from(self.data, vtable + i) for i in (0, 2))
        if length < 4 or length % 2:
            raise damaged(self.where, f"{path}: a vtable of {length} bytes")
        self.need(vtable, length, f"{path}'s vtable")
        self.need(position, inline, path)
        self.spend(16 + inline, path)
        fields = [_U16.unpack_from(self.data, vtable + i)[0] for i in range(4, length, 2)]
        if fields and max(fields) >= max(inline, 4):
            raise damaged(
                self.where, f"{path}: a field at byte {max(fields)} of a table of {inline}"
            )
        return fields

    def _children(self, name: str, target: int, width: int | None, path: str) -> None:
        if width is None:
            return self.table(name, target, path)
        start, length = self.vector(target, 4, path)
        for i in range(length):
            here = f"{path}[{i}]"
            self.table(name, self.reference(start + 4 * i, here), here)

    def _member(self, union: str, kind: int, target: int, path: str) -> None:
        members = _union(union)
        if kind not in members:
            raise SplitDeconvError(
                "the TFLite file uses a newer schema than is installed; new options would be lost",
                where=self.where,
                expected=f"{path} of a kind up to {max(members)}",
                got=f"kind {kind}",
                fix="pip install --upgrade ai-edge-litert",
            )
        if kind:
            self.table(members[kind], target, path)
