"""The interface of a model in memory; each format's `parse` returns one."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import SplitDeconvError
from .content import Source
from .input_shapes import ModelInput, Shape
from .site import Decision, Site


class Model(Protocol):
    """A model in memory whose transposed convolutions can be found and rewritten."""

    #: Bytes that it stores in other files, and how many of them stay there after it is written.
    bytes_outside: int = 0
    bytes_kept: int = 0
    #: Whether it refers to such files, readable or not; it is then rewritten even if unchanged.
    refers: bool = False

    @abstractmethod
    def sites(self) -> list[Site]:
        """Every transposed convolution, in the order of the model."""
        ...

    @abstractmethod
    def operators(self) -> list[tuple[str, int]]:
        """(name, version) of every operator."""
        ...

    def left(self, decisions: Sequence[Decision] = ()) -> list[tuple[Any, ...]]:
        """(name, version) of every operator that stays, with element types if the format has them.

        Args:
            decisions: about the sites that `sites` returned last, not yet carried out.
        """
        converted = [decision for decision in decisions if decision.verdict == "convert"]
        going = Counter(decision.site.operator for decision in converted)
        folded = (one for decision in converted for one in decision.folded if not one.moved)
        going.update(one.operator for one in folded)
        staying: list[tuple[Any, ...]] = []
        for name, version in self.operators():
            if going[name]:
                going[name] -= 1
            else:
                staying.append((name, version))
        return staying

    def unseen(self) -> list[str]:
        """The names of operators whose computation the file does not describe."""
        return []

    @abstractmethod
    def inputs(self) -> list[ModelInput]:
        """The inputs of every entry point."""
        ...

    def fix(self, shapes: list[Shape | None]) -> None:
        """Fix open dimensions of the inputs; None for an input that stays as it is.

        Raises:
            SplitDeconvError: the inputs cannot have these shapes.
        """
        given = [shape for shape in shapes if shape is not None]
        if given:
            raise SplitDeconvError(
                "the inputs of this format cannot be fixed",
                where="input_shape",
                expected="no input shapes, and no static batch",
                got=", ".join(map(str, given)),
                fix="fix them in the program that writes the model",
            )

    @abstractmethod
    def apply(self, decisions: Sequence[Decision]) -> None:
        """Rewrite the sites whose verdict is "convert".

        Args:
            decisions: about the sites that `sites` returned last.

        Raises:
            SplitDeconvError: a site cannot be rewritten as decided.
        """
        ...

    @abstractmethod
    def serialize(self) -> Source:
        """The model as bytes, or as the object that the format uses."""
        ...

    def write(self, path: Path) -> None:
        """Write the model to a file; the model must not be used afterwards."""
        path.write_bytes(self.serialize())

    def let_go(self) -> None:
        """Release the model, keeping only what verification needs of the sites."""

    def notes(self) -> tuple[str, ...]:
        """Notes for the user of the converted file."""
        return ()
