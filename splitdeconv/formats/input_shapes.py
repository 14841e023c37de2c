"""Input shapes fixed by the user: parsing, checking against the model, and notes in the report.

A fixed batch is a fixed shape whose other dimensions stay as they are, so that each format needs
only one way to fix an input.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ..errors import SplitDeconvError, check_count, shorten, shown

#: The largest length that every format supports, and the largest number of elements of a tensor.
LARGEST = (1 << 31) - 1
#: The option that fixes a batch, as it appears in the notes of a target; see `advised`.
STATIC_BATCH = "--static-batch 1"
#: Example sizes for open dimensions: one that can be halved six times; a smaller one for volumes.
_SIZE, _SIZE_OF_VOLUMES = 64, 16
_TEXT = re.compile(r"[0-9]{1,99}(x[0-9]{1,99})*")
_WHERE, _EXPECTED = "input_shape", "NAME=1x80x100, or 1x80x100 for a model with one input"

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class ModelInput:
    """One input of a model, as declared in the file.

    Args:
        name: as `splitdeconv.verify` accepts it.
        shape: lengths, None where open; None if not even the rank is known.
        others: alternative names.
    """

    name: str
    shape: Shape | None
    others: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether one of its dimensions is known only at run time."""
        return self.shape is None or None in self.shape

    @property
    def declared(self) -> str:
        """Its shape as text."""
        return "any shape" if self.shape is None else text_of(self.shape)


def text_of(shape: Shape) -> str:
    """A shape in the notation of the command line, with a question mark for each open dimension."""
    return "x".join("?" if n is None else f"{n}" for n in shape) or "a scalar"


def parsed(texts: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """The shapes given on the command line, by input name; None if there are none.

    Args:
        texts: each ``NAME=1x80x100``; a shape without a name belongs to the only input and is
            stored under "".

    Raises:
        SplitDeconvError: a text is not a shape, or a name is given twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not _TEXT.fullmatch(sizes) or (not name and "=" in text):
            raise SplitDeconvError(
                "invalid input shape: expected sizes of at least 1, separated by x",
                where="--input-shape",
                expected=_EXPECTED,
                got=shown(text),
            )
        if name in shapes:
            raise SplitDeconvError(
                "two shapes are given for one input",
                where="--input-shape",
                expected=f"{name or 'a shape'} once",
                got=f"{text_of(shapes[name])} and {sizes}",
            )
        shapes[name] = tuple(int(n) for n in sizes.split("x"))
    return shapes or None


def checked(given: object) -> dict[str, tuple[int, ...]] | None:
    """Shapes by input name, with "" for the only input of a model. None if nothing was given.

    Args:
        given: a mapping from names to shapes, a single shape, or None.

    Raises:
        SplitDeconvError: it is something else, or a size is larger than any format supports.
    """
    if given is None:
        return None
    shapes = given if isinstance(given, Mapping) else {"": given}
    if not shapes or not all(isinstance(name, str) for name in shapes):
        raise _misgiven(given)
    return {name: _checked_shape(name, shape) for name, shape in shapes.items()}


def _checked_shape(name: str, shape: object) -> tuple[int, ...]:
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise _misgiven(shape)
    where = f"input_shape, input {name}" if name else _WHERE
    sizes = tuple(check_count(n, "size of a dimension", where) for n in shape)
    if prod(sizes) > LARGEST:
        raise SplitDeconvError(
            "the input shape is too large",
            where=where,
            expected=f"at most {LARGEST:,} elements",
            got=text_of(sizes),
        )
    return sizes


def _misgiven(got: object) -> SplitDeconvError:
    return SplitDeconvError(
        "invalid input shape: expected sizes by input name",
        where=_WHERE,
        expected='{"NAME": (1, 80, 100)}, or (1, 80, 100) for a model with one input',
        got=shown(got),
    )


def requested_shapes(
    asked: Mapping[str, tuple[int, ...]] | None, batch: int | None, inputs: Sequence[ModelInput]
) -> list[Shape | None]:
    """The shape to give to each input of a model; None for inputs and lengths that stay unchanged.

    Args:
        asked: the return value of `checked`; None to use `batch`.
        batch: the size for every open first dimension.
        inputs: the inputs of the model.

    Raises:
        SplitDeconvError: the model has no such input, or a shape contradicts the declared one.
    """
    shapes: list[Shape | None] = [None] * len(inputs)
    if not inputs:
        raise SplitDeconvError(
            "the model declares no inputs whose shapes could be fixed",
            where="static_batch" if asked is None else _WHERE,
            expected="a .tflite or .onnx model with inputs, or a built Sequential or functional "
            "model",
            got="a model without inputs, such as a subclassed Keras model",
            fix="omit the option; call a Keras model on arrays of the required shape",
        )
    if asked is None:
        return shapes if batch is None else _with_batch(int(batch), inputs)
    for name, shape in asked.items():
        for index in _named(name, inputs):
            if (earlier := shapes[index]) is not None:
                raise SplitDeconvError(
                    "two shapes are given for one input",
                    where=f"input {inputs[index].name}",
                    expected="one shape",
                    got=f"{text_of(earlier)} and {text_of(shape)}",
                )
            _check_fit(inputs[index], shape)
            shapes[index] = shape
    return shapes


def _named(name: str, inputs: Sequence[ModelInput]) -> Sequence[int]:
    """The positions of the inputs with this name; several entry points of a model may share it."""
    if not name and len({entry.name for entry in inputs}) == 1:
        return range(len(inputs))
    positions = [i for i, entry in enumerate(inputs) if entry.name == name and name]
    positions = positions or [i for i, entry in enumerate(inputs) if name in entry.others]
    if not positions:
        declared = ", ".join(f"{entry.name} ({entry.declared})" for entry in inputs)
        raise SplitDeconvError(
            "the model has no such input" if name else "the input shape must name its input",
            where=_WHERE,
            expected=f"one of: {declared or 'none, it has none'}",
            got=name or "a shape without a name",
            fix=_paste(advice(inputs)) or ("use one of these names" if inputs else None),
        )
    return positions


def _check_fit(entry: ModelInput, shape: tuple[int, ...]) -> None:
    if entry.shape is None:
        return
    if len(shape) != len(entry.shape):
        problem = f"invalid input shape: expected {len(entry.shape)} dimensions"
    elif any(n not in (None, m) for n, m in zip(entry.shape, shape, strict=True)):
        problem = "the shape of this input is fixed in the file"
        if entry.is_open:
            problem = "some lengths of this input are fixed in the file"
    else:
        return
    raise SplitDeconvError(
        problem,
        where=f"input {entry.name}",
        expected=f"{entry.declared}, as declared in the file"
        + (", a number for each ?" if entry.is_open else ""),
        got=text_of(shape),
        fix=_paste(advice([entry], batch=False)) or "omit this input: its shape is already fixed",
    )


def _with_batch(batch: int, inputs: Sequence[ModelInput]) -> list[Shape | None]:
    """Shapes that fix the batch of every input whose batch is open."""
    shapes = [
        (batch, *entry.shape[1:]) if entry.shape and entry.shape[0] is None else None
        for entry in inputs
    ]
    firsts = [entry.shape[0] for entry in inputs if entry.shape]
    if firsts and shapes.count(None) == len(shapes) and batch not in firsts:
        raise SplitDeconvError(
            "the batch is already fixed",
            where="static_batch",
            expected=f"an input with an open batch, or one of {batch}",
            got=f"input(s) of shape {', '.join(entry.declared for entry in inputs)}",
            fix="omit --static-batch, or export the model with another batch size",
        )
    return shapes


def advice(inputs: Sequence[ModelInput], batch: bool = True) -> str | None:
    """Command-line options that fix all open dimensions of the inputs; None if there are none.

    Args:
        inputs: the inputs of the model.
        batch: whether to suggest --static-batch where only the batch is open.
    """
    opened = {entry.name: entry.shape for entry in inputs if entry.shape and entry.is_open}
    if not opened:
        return None
    if batch and not any(None in shape[1:] for shape in opened.values()):
        return STATIC_BATCH
    return " ".join(
        f"--input-shape {shlex.quote(f'{name}={_example(shape)}')}"
        for name, shape in opened.items()
    )


def _example(shape: Shape) -> str:
    size = _SIZE if shape[1:].count(None) < 3 else _SIZE_OF_VOLUMES
    chosen = (1, *[size] * (len(shape) - 1))
    return text_of(tuple(m if n is None else n for n, m in zip(shape, chosen, strict=False)))


def advised(text: str, inputs: Sequence[ModelInput]) -> str:
    """A target's note that suggests a fixed batch, changed to fix every open dimension."""
    return text.replace(STATIC_BATCH, advice(inputs) or STATIC_BATCH)


def _paste(options: str | None) -> str | None:
    return options and f"for example {options}"


def notes_on(before: Sequence[ModelInput], after: Sequence[ModelInput]) -> tuple[str, ...]:
    """Notes on the dimensions that were fixed and on those that are still open."""
    fixed = [
        f"input {old.name} is now fixed at {new.declared} (was {old.declared})"
        for old, new in zip(before, after, strict=True)
        if old.shape != new.shape
    ]
    left = [f"input {new.name} is still open: {new.declared}" for new in after if new.is_open]
    return tuple(shorten(note) for note in dict.fromkeys([*fixed, *(left if fixed else [])]))
