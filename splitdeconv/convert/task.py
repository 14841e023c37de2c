"""Tasks that cross the process boundary: a verb with its options, and the files it applies to.

A `Task` is sent to the child process as plain values and is rebuilt there. The verb determines the
result: `to_dict` of a `Report` for "inspect" and "convert" or of a `Verification` for "verify", a
list of rows for "layers" and "time", and what `candidates.write` returns for "candidates".
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from .rewrite import Options

#: What a child process can be asked to do.
VerbName: TypeAlias = Literal["inspect", "convert", "verify", "time", "layers", "candidates"]


@dataclass(frozen=True)
class Files:
    """The files of a task, each as an absolute path.

    Args:
        model: the model.
        where: the user's name for the model.
        beside: path next to which the model's other files are; None if the model came as bytes.
        inputs: an .npz file; None for synthetic inputs.
        converted: the model to compare with; None if the verb needs none.
    """

    model: Path
    where: str = "the model"
    beside: Path | None = None
    inputs: Path | None = None
    converted: Path | None = None

    def to_json(self) -> dict[str, str | None]:
        """Plain, JSON-serializable values."""
        return {n: None if value is None else str(value) for n, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, str | None]) -> "Files":
        """Rebuild the files from the result of `to_json`."""
        paths = {name: None if text is None else Path(text) for name, text in content.items()}
        model = Path(content["model"] or "")
        return cls(
            model, str(content["where"]), paths["beside"], paths["inputs"], paths["converted"]
        )


@dataclass(frozen=True)
class Inspect:
    """List the transposed convolutions of a model."""

    name: ClassVar[VerbName] = "inspect"
    options: Options

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Inspect":
        """What `to_json` described."""
        return cls(_options(content["options"]))


@dataclass(frozen=True)
class Convert:
    """Rewrite a model; the result is left in the file "output" of the exchange folder.

    Args:
        options: the options of the conversion.
        verify: whether to compare the result with the original.
        samples, seed: number of samples and seed of that comparison.
    """

    name: ClassVar[VerbName] = "convert"
    options: Options
    verify: bool = True
    samples: int = 8
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Convert":
        """What `to_json` described."""
        return cls(**{**content, "options": _options(content["options"])})


@dataclass(frozen=True)
class Verify:
    """Compare two models by value."""

    name: ClassVar[VerbName] = "verify"
    samples: int = 8
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Verify":
        """What `to_json` described."""
        return cls(**content)


@dataclass(frozen=True)
class Time:
    """Time two models; for each field see `splitdeconv.convert.timing.time_models`."""

    name: ClassVar[VerbName] = "time"
    threads: tuple[int, ...] = (1, 2)
    turns: int = 31
    budget: float = 20.0
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {"options": asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Time":
        """What `to_json` described."""
        options = dict(content["options"])
        return cls(threads=tuple(options.pop("threads")), **options)


@dataclass(frozen=True)
class Layers:
    """List the layers of a model that multiply.

    Args:
        size: height and width of the image, for an ONNX model that leaves them open. The reader of
            the model checks whether it does.
    """

    name: ClassVar[VerbName] = "layers"
    size: Any = None

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {"options": asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Layers":
        """What `to_json` described."""
        return cls(**content["options"])


@dataclass(frozen=True)
class Candidates:
    """Write every transposed convolution in every variant, into the exchange folder."""

    name: ClassVar[VerbName] = "candidates"
    options: Options

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Candidates":
        """What `to_json` described."""
        return cls(_options(content["options"]))


Verb: TypeAlias = Inspect | Convert | Verify | Time | Layers | Candidates
_VERBS: dict[VerbName, type[Verb]] = {
    kind.name: kind for kind in (Inspect, Convert, Verify, Time, Layers, Candidates)
}


def verb_of(name: VerbName, given: Mapping[str, Any]) -> Verb:
    """The record of a verb.

    Args:
        name: the name of the verb.
        given: its fields, as returned by its `to_json`; fields with a default are optional.
    """
    return _VERBS[name].from_json(given)


@dataclass(frozen=True)
class Task:
    """Work for a child process.

    Args:
        verb: what to do, with its options.
        files: the files to do it with.
    """

    verb: Verb
    files: Files

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {"verb": self.verb.name, "given": self.verb.to_json(), "files": self.files.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Task":
        """Rebuild the task from the result of `to_json`."""
        verb = verb_of(content["verb"], content["given"])
        return cls(verb, Files.from_json(content["files"]))


def _options(content: Mapping[str, Any]) -> Options:
    shapes = content.get("input_shape")
    if shapes is not None:
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
    choices = content.get("choices")
    if choices is not None:
        choices = tuple((text, reason) for text, reason in choices)
    return Options(**{**content, "input_shape": shapes, "choices": choices})
