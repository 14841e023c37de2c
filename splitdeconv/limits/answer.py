"""The answer of a child process to a task: a result or a refusal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import SplitDeconvError


@dataclass(frozen=True)
class Refusal:
    """The parts of a `SplitDeconvError`."""

    problem: str
    where: str | None = None
    expected: str | None = None
    got: str | None = None
    fix: str | None = None

    @classmethod
    def of(cls, error: SplitDeconvError) -> "Refusal":
        """Take an error apart."""
        parts = (error.where, error.expected, error.got, error.fix)
        return cls(str(error.problem), *(None if part is None else str(part) for part in parts))

    def error(self) -> SplitDeconvError:
        """Rebuild the error."""
        return SplitDeconvError(**asdict(self))


@dataclass(frozen=True)
class Answer:
    """The answer to a task.

    Args:
        result: plain, JSON-serializable values.
        refusal: why there is no result; None if there is one.
    """

    result: Any = None
    refusal: Refusal | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        return {"result": self.result} if self.refusal is None else {"error": asdict(self.refusal)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Answer":
        """Rebuild the answer from the result of `to_json`.

        Raises:
            KeyError, TypeError: `content` is something else.
        """
        if "error" in content:
            return cls(refusal=Refusal(**content["error"]))
        return cls(content["result"])
