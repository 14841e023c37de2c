"""Whether a TFLite flatbuffer stays within its own bytes: walked once, before anything reads it.

Python's flatbuffers has no verifier, and its readers follow any offset. What tables hold is asked of the generated
schema itself, so that this check and the readers always speak of the same version: the code that builds a table is run
against a recorder. Unsigned offsets only lead forwards, so there are no cycles; shared parts are paid for each time
they are met, so that a small file cannot unfold into a large one.
"""

from functools import cache
from struct import Struct

from ....errors import SplitDeconvError
from ....extras import require

# C++'s flatbuffers::Verifier stops at as many.
_MOST_TABLES = 1_000_000
_U16, _U32, _I32 = Struct("<H"), Struct("<I"), Struct("<i")

# Fields that hold tables, one or a vector of them; every other offset is a vector of numbers or a string.
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
# Fields whose table is named by the field before them.
_UNIONS = {
    ("Operator", "BuiltinOptions"): "BuiltinOptions",
    ("Operator", "BuiltinOptions2"): "BuiltinOptions2",
    ("QuantizationParameters", "Details"): "QuantizationDetails",
    ("DimensionMetadata", "ArraySegments"): "SparseIndexVector",
    ("DimensionMetadata", "ArrayIndices"): "SparseIndexVector",
}


def schema():
    """The generated schema module.

    Raises:
        SplitDeconvError: ai-edge-litert is not installed.
    """
    return require("ai_edge_litert.schema_py_generated", "tflite")


def make(table, /, **fields):
    """An object of the schema's object API by its table's name; the constructors of early versions take no fields."""
    part = getattr(schema(), f"{table}T")()
    for field, value in fields.items():
        setattr(part, field, value)
    return part


def damaged(where, got):
    """The refusal of bytes that are no sound model."""
    return SplitDeconvError(
        "the TFLite file is damaged", where=where, expected="a sound flatbuffer", got=got, fix="export or copy it again"
    )


def extent(data, where) -> int:
    """Check every table, vector and string that a reader can reach.

    Args:
        data: the file's bytes.
        where: what to call the file in a refusal.

    Returns:
        How many bytes the flatbuffer takes; what follows was appended to it.

    Raises:
        SplitDeconvError: an offset leads outside, a length is absurd, parts are shared beyond reason, or the file was
            written by a newer schema, of which fields would be lost.
    """
    walk = _Walk(data, where)
    walk.table("Model", walk.reference(0, "the root"), "Model")
    return walk.end


class _Recorder:
    """Stands in for a flatbuffers builder and keeps the last call."""

    def __getattr__(self, method):
        def record(*arguments):
            self.method, self.arguments = method, arguments

        return record


@cache
def _layout(table):
    """(number of fields, {slot: (field, bytes per element or None)} of those that are offsets) of one table."""
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
def _union(name):
    """Table names of a union by number."""
    return {number: member for member, number in vars(getattr(schema(), name)).items() if isinstance(number, int)}


class _Walk:
    """One pass over a file, with what is left to spend."""

    def __init__(self, data, where):
        self.data, self.where, self.size = data, where, len(data)
        self.end, self.tables = 0, 0
        # Honest files spend less than twice their length.
        self.left = 4 * self.size + (1 << 16)

    def need(self, start, length, path):
        """Refuse a range that is not inside the file; remember how far the file is used."""
        stop = start + length
        if start < 0 or stop > self.size:
            raise damaged(self.where, f"{path}: bytes {start} to {stop} of a file of {self.size}")
        self.end = max(self.end, stop)

    def spend(self, cost, path):
        """Refuse to unfold more than the file can honestly hold."""
        self.left -= cost
        if self.left < 0:
            raise damaged(self.where, f"{path}: its parts are shared so often that it unfolds without end")

    def reference(self, position, path):
        """Where the offset at `position` leads."""
        self.need(position, 4, path)
        return position + _U32.unpack_from(self.data, position)[0]

    def vector(self, position, width, path):
        """First element and length of the vector at `position`."""
        self.need(position, 4, path)
        (length,) = _U32.unpack_from(self.data, position)
        self.need(position + 4, length * width, f"{path}, {length:,} elements of {width} bytes")
        self.spend(length * width, path)
        return position + 4, length

    def table(self, name, position, path):
        """Check the table at `position` and all below it."""
        self.tables += 1
        if self.tables > _MOST_TABLES:
            raise damaged(self.where, f"more than {_MOST_TABLES:,} tables")
        count, offsets = _layout(name)
        fields = self._fields(position, path)
        if any(fields[count:]):
            raise SplitDeconvError(
                "the TFLite file uses a newer schema than is installed; its new fields would be lost",
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

    def _fields(self, position, path):
        """Offsets of a table's fields, 0 where absent, from its vtable."""
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
            raise damaged(self.where, f"{path}: a field at byte {max(fields)} of a table of {inline}")
        return fields

    def _children(self, name, target, width, path):
        if width is None:
            return self.table(name, target, path)
        start, length = self.vector(target, 4, path)
        for i in range(length):
            here = f"{path}[{i}]"
            self.table(name, self.reference(start + 4 * i, here), here)

    def _member(self, union, kind, target, path):
        members = _union(union)
        if kind not in members:
            raise SplitDeconvError(
                "the TFLite file uses a newer schema than is installed; its new options would be lost",
                where=self.where,
                expected=f"{path} of a kind up to {max(members)}",
                got=f"kind {kind}",
                fix="pip install --upgrade ai-edge-litert",
            )
        if kind:
            self.table(members[kind], target, path)
