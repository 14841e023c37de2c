"""Read the pickles inside PyTorch checkpoints as data.

A pickle is a program for a small stack machine. Python's own machine can call anything; this one
understands only what `torch.save` writes for nested dictionaries of tensors. Nothing is imported,
looked up or called: the few globals in such a file become `Symbol`s, and a tensor becomes a
`Tensor` with the storage and position of its numbers. The standard library's pickletools, which
executes nothing either, decodes opcodes and their arguments.
"""

import pickletools
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import SplitDeconvError, shorten

# The largest generator here takes 3,500; this bounds time and memory of a forged stream.
MAX_STEPS = 100_000
MAX_KEY = 2**31  # integers below it differ in their hashes, larger ones may all have the same
MAX_AXES = 32
MAX_ELEMENTS = 2**40

#: Storage classes of PyTorch and the NumPy type of their elements ("bf16" has none).
STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_REBUILDERS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
_ALLOWED = {("collections", "OrderedDict")}
_ALLOWED |= {("torch", name) for name in STORAGES}
_ALLOWED |= {("torch._utils", name) for name in _REBUILDERS}


@dataclass(frozen=True)
class Symbol:
    """A known global that the file refers to; it cannot be called."""

    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    """`numel` elements of type `dtype` (a value of `STORAGES`) stored under `key`."""

    key: str
    dtype: str
    numel: int


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and strides count elements.

    It is checked where the storage's bytes are known.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def parse(stream: BinaryIO, where: str) -> Any:
    """The object that the pickle at the stream's position describes.

    Args:
        stream: an in-memory binary stream; it is left after the pickle's last byte.
        where: how an error message names the file.

    Returns:
        int, float, bool, str, None, and tuples, lists and dictionaries (str or int keys) of these
        and of `Tensor`s.

    Raises:
        SplitDeconvError: a global, an operation or a structure that a checkpoint of tensors does
            not need, or a stream that is not a pickle.
    """
    machine = _Machine(where)
    try:
        # The standard library may warn of escape sequences in the strings of a damaged pickle.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if opcode.name == "STOP":
                    break
                if step >= MAX_STEPS:
                    most = f"at most {MAX_STEPS:,} operations"
                    raise machine.refusal("a pickle that is too long", most)
                machine.step(opcode.name, argument)
        return machine.pop()
    except SplitDeconvError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise SplitDeconvError(
            "the checkpoint's pickle is damaged or cut short",
            where=where,
            got=shorten(str(error).splitlines()[0], 200) if str(error) else type(error).__name__,
            fix="fetch the file again",
        ) from error


class _Machine:
    """Stack, marks and memo of one pickle."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, operation: str, argument: Any) -> None:
        """Carry out one operation; any operation not listed here is refused."""
        push, pop = self.stack.append, self.pop
        match operation:
            case "PROTO" | "FRAME":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                push(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE":
                push(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                push({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[operation])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                push({"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}[operation]())
            case "MARK":
                self.marks.append(len(self.stack))
            case "TUPLE":
                push(tuple(self.pop_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(reversed([pop() for _ in range(int(operation[-1]))])))
            case "APPEND" | "APPENDS":
                values = [pop()] if operation == "APPEND" else self.pop_mark()
                self.top(list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = [pop(), pop()][::-1] if operation == "SETITEM" else self.pop_mark()
                self.set_items(self.top(dict), values)
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                push(self.memo[argument])
            case "GLOBAL":
                push(self.symbol(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                push(self.symbol(*[pop(), pop()][::-1]))
            case "BINPERSID":
                push(self.storage(pop()))
            case "REDUCE":
                arguments = pop()
                push(self.call(pop(), arguments))
            case "BUILD":
                # a state_dict carries its version numbers as an attribute, which is dropped;
                # nothing else has a state
                if not isinstance(pop(), dict) or not isinstance(self.stack[-1], dict):
                    raise self.refusal(f"a {_kind(self.stack[-1])} with a state of its own")
            case _:
                raise self.refusal(f"the pickle operation {operation}")

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        """The list or dictionary on top of the stack, to be added to."""
        if not isinstance(self.stack[-1], kind):
            raise self.refusal(f"a {_kind(self.stack[-1])} that is filled like a {kind.__name__}")
        return self.stack[-1]

    def set_items(self, target: dict[Any, Any], flat: list[Any]) -> None:
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Not least because hashing nested tuples can take for ever.
            if type(key) not in (str, int):
                raise self.refusal(f"a dictionary key that is a {_kind(key)}")
            if type(key) is int and not -MAX_KEY <= key < MAX_KEY:
                got = f"a dictionary key of {key.bit_length()} bits"
                raise self.refusal(got, "integer keys of 32 bits")
            target[key] = value

    def symbol(self, module: object, name: object) -> Symbol:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise self.refusal("a global whose name is not text")
        if (module, name) not in _ALLOWED:
            raise self.refusal(f"the global {module}.{name}")
        return Symbol(module, name)

    def storage(self, identity: object) -> Storage:
        """A persistent id: ("storage", class, key, device, elements), in old files then None."""
        match identity:
            case ("storage", Symbol("torch", name), str(key), str(), int(numel)) | (
                ("storage", Symbol("torch", name), str(key), str(), int(numel), None)
            ) if name in STORAGES and 0 <= numel < MAX_ELEMENTS:
                return Storage(key, STORAGES[name], int(numel))
        raise self.refusal("a persistent id that names no tensor storage")

    def call(self, function: object, arguments: object) -> Any:
        match function, arguments:
            case Symbol(name="OrderedDict"), ():
                return {}
            case Symbol(name="_rebuild_parameter"), (Tensor() as tensor, bool(), dict()):
                return tensor
            case (Symbol(name="_rebuild_tensor"), (Storage() as storage, *parts)) | (
                Symbol(name="_rebuild_tensor_v2"),
                (Storage() as storage, *parts, bool(), dict()),
            ):
                view = _view(parts)
                if view is not None:
                    return Tensor(storage, *view)
        raise self.refusal(f"a call of {_kind(function)} with arguments no tensor is made of")

    def refusal(
        self, got: str, expected: str = "nested dictionaries of tensors, as torch.save writes them"
    ) -> SplitDeconvError:
        return SplitDeconvError(
            "the checkpoint contains something other than tensors; "
            "it was rejected and nothing in it was executed",
            where=self.where,
            expected=expected,
            got=shorten(got, 200),
            fix="use a checkpoint that holds a state_dict",
        )


def _view(parts: object) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Offset, shape and strides in elements; None if they are not within the limits."""
    match parts:
        case (int() as offset, tuple() as shape, tuple() as strides) if (
            len(shape) == len(strides) <= MAX_AXES
        ):
            sizes = (offset, *shape, *strides)
            if all(type(size) is int and 0 <= size < MAX_ELEMENTS for size in sizes):
                return offset, shape, strides
    return None


def _kind(value: object) -> str:
    return f"{value.module}.{value.name}" if isinstance(value, Symbol) else type(value).__name__
