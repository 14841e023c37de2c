"""The shapes that a user fixes a model's inputs at: read, held against what it declares, told of.

A fixed batch is a fixed shape whose other dimensions stay as they are: formats know one way to fix
an input.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ..errors import SplitDeconvError, check_count, shorten, shown

#: The largest length that every format holds; no tensor may have more elements either.
LARGEST = (1 << 31) - 1
#: What a target's notes call the option that fixes a batch; see `advised`.
STATIC_BATCH = "--static-batch 1"
#: Sizes to propose for open dimensions: one that can be halved six times; less for volumes.
_SIZE, _SIZE_OF_VOLUMES = 64, 16
_TEXT = re.compile(r"[0-9]{1,99}(x[0-9]{1,99})*")
_WHERE, _EXPECTED = "input_shape", "NAME=1x80x100, or 1x80x100 for a model of one input"

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class ModelInput:
    """One input of a model, as the file declares it.

    Args:
        name: as `splitdeconv.verify` takes it.
        shape: lengths, None where open; None altogether where not even the rank is known.
        others: names that it has as well.
    """

    name: str
    shape: Shape | None
    others: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a dimension of it is known only at run time."""
        return self.shape is None or None in self.shape

    @property
    def declared(self) -> str:
        """Its shape in words."""
        return "any shape" if self.shape is None else text_of(self.shape)


def text_of(shape: Shape) -> str:
    """A shape as the command line takes it, with a question mark for each open dimension."""
    return "x".join("?" if n is None else f"{n}" for n in shape) or "a scalar"


def parsed(texts: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """What the command line's options say, by input; None if there are none.

    Args:
        texts: each ``NAME=1x80x100``; without a name, it stands for the only input and is kept
            under "".

    Raises:
        SplitDeconvError: a text is none such, or a name comes twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not _TEXT.fullmatch(sizes) or (not name and "=" in text):
            raise SplitDeconvError(
                "invalid input shape: expected sizes above 0 with an x between them",
                where="--input-shape",
                expected=_EXPECTED,
                got=shown(text),
            )
        if name in found:
            raise SplitDeconvError(
                "invalid input shapes: expected one for each input",
                where="--input-shape",
                expected=f"{name or 'a shape'} once",
                got=f"{text_of(found[name])} and {sizes}",
            )
        found[name] = tuple(int(n) for n in sizes.split("x"))
    return found or None


def checked(given: object) -> dict[str, tuple[int, ...]] | None:
    """Shapes by the input's name; that of a model's only input under "". None if nothing was given.

    Args:
        given: a mapping from names to shapes, one shape, or None.

    Raises:
        SplitDeconvError: something else, or sizes that no format holds.
    """
    if given is None:
        return None
    shapes = given if isinstance(given, Mapping) else {"": given}
    if not shapes or not all(isinstance(name, str) for name in shapes):
        raise _misgiven(given)
    return {name: _checked_shape(name, shape) for name, shape in shapes.items()}


def _checked_shape(name, shape):
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


def _misgiven(got):
    return SplitDeconvError(
        "invalid input shape: expected sizes by the input's name",
        where=_WHERE,
        expected='{"NAME": (1, 80, 100)}, or (1, 80, 100) for a model of one input',
        got=shown(got),
    )


def wanted(
    asked: Mapping[str, tuple[int, ...]] | None, batch: int | None, inputs: Sequence[ModelInput]
) -> list[Shape | None]:
    """The shape that each input of a model is to have; None for an input or a length that stays.

    Args:
        asked: what `checked` returned; None for what `batch` says.
        batch: the size of every open first dimension.
        inputs: the model's.

    Raises:
        SplitDeconvError: an input is not of the model, or its shape does not fit what the file
            declares.
    """
    if not inputs:
        raise SplitDeconvError(
            "the model declares no inputs that could be fixed",
            where="static_batch" if asked is None else _WHERE,
            expected="a .tflite or .onnx model with inputs, or a built Sequential or functional model",
            got="a model without any, such as a subclassed Keras model",
            fix="leave the option out; call a Keras model on arrays of the shape you want",
        )
    if asked is None:
        return _with_batch(int(batch), inputs)
    shapes: list[Shape | None] = [None] * len(inputs)
    for name, shape in asked.items():
        for index in _named(name, inputs):
            if shapes[index] is not None:
                raise SplitDeconvError(
                    "invalid input shapes: expected one for each input",
                    where=f"input {inputs[index].name}",
                    expected="one of its names",
                    got=f"{text_of(shapes[index])} and {text_of(shape)}",
                )
            _check_fit(inputs[index], shape)
            shapes[index] = shape
    return shapes


def _named(name, inputs):
    """The positions of the inputs of this name; entry points of one model may each have one."""
    if not name and len({one.name for one in inputs}) == 1:
        return range(len(inputs))
    found = [i for i, one in enumerate(inputs) if one.name == name and name]
    found = found or [i for i, one in enumerate(inputs) if name in one.others]
    if not found:
        raise SplitDeconvError(
            "the model has no input of this name" if name else "the input shape has to name its input",
            where=_WHERE,
            expected="one of: " + (", ".join(f"{one.name} ({one.declared})" for one in inputs) or "none, it has none"),
            got=name or "a shape without a name",
            fix=_paste(advice(inputs)),
        )
    return found


def _check_fit(one, shape):
    if one.shape is None:
        return
    if len(shape) != len(one.shape):
        problem = f"expected {len(one.shape)} dimensions"
    elif any(n not in (None, m) for n, m in zip(one.shape, shape, strict=True)):
        problem = "expected the sizes that the file fixes"
    else:
        return
    raise SplitDeconvError(
        f"invalid input shape: {problem}",
        where=f"input {one.name}",
        expected=f"{one.declared}, as the file declares it" + (", a number for each ?" if one.is_open else ""),
        got=text_of(shape),
        fix=_paste(advice([one], batch=False)) or "leave this input out: its shape is fixed already",
    )


def _with_batch(batch, inputs):
    """Shapes that fix the batch of every input that leaves it open."""
    shapes = [(batch, *one.shape[1:]) if one.shape and one.shape[0] is None else None for one in inputs]
    firsts = [one.shape[0] for one in inputs if one.shape]
    if firsts and shapes.count(None) == len(shapes) and batch not in firsts:
        raise SplitDeconvError(
            "the batch is fixed already",
            where="static_batch",
            expected=f"an input with an open batch, or one of {batch}",
            got=f"input(s) of shape {', '.join(one.declared for one in inputs)}",
            fix="leave --static-batch out, or export the model with another batch",
        )
    return shapes


def advice(inputs: Sequence[ModelInput], batch: bool = True) -> str | None:
    """The options that fix all open dimensions of a model's inputs, to be pasted; None for none.

    Args:
        inputs: the model's.
        batch: whether --static-batch will do where nothing but the batch is open.
    """
    opened = {one.name: one.shape for one in inputs if one.shape is not None and one.is_open}
    if not opened:
        return None
    if batch and not any(None in shape[1:] for shape in opened.values()):
        return STATIC_BATCH
    return " ".join(f"--input-shape {shlex.quote(f'{name}={_example(shape)}')}" for name, shape in opened.items())


def _example(shape):
    size = _SIZE if shape[1:].count(None) < 3 else _SIZE_OF_VOLUMES
    return text_of(tuple(n if n is not None else size if i else 1 for i, n in enumerate(shape)))


def advised(text: str, inputs: Sequence[ModelInput]) -> str:
    """A target's note that advises a fixed batch, so that it fixes all that is open in a model."""
    return text.replace(STATIC_BATCH, advice(inputs) or STATIC_BATCH)


def _paste(options):
    return options and f"for instance {options}"


def told(before: Sequence[ModelInput], after: Sequence[ModelInput]) -> tuple[str, ...]:
    """What was fixed, in words, and what is open still."""
    fixed = [
        f"input {old.name} is fixed at {new.declared} (it was {old.declared})"
        for old, new in zip(before, after, strict=True)
        if old.shape != new.shape
    ]
    left = [f"input {new.name} is still open: {new.declared}" for new in after if new.is_open]
    return tuple(shorten(note) for note in dict.fromkeys([*fixed, *(left if fixed else [])]))
