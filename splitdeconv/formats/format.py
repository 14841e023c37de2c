"""What every format of model files implements: one folder each, with a module `format` that holds its `FORMAT`.

The rest of the package asks a format and never its name. What a format does not override below is
how most formats are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from .. import output
from .content import Bytes
from .cut import Cut, UncutError
from .graph import Node
from .input_shapes import ModelInput, Shape
from .port import KERNELS, Arrays, Runner
from .site import Decision, Site


class Model(Protocol):
    """A model in memory, whose transposed convolutions can be found and rewritten."""

    #: Bytes that it keeps in files beside its own, and those that stay there once it is written.
    bytes_outside: int = 0
    bytes_kept: int = 0
    #: Whether it refers to such files, readable or not: it is then written anew even if unchanged.
    refers: bool = False

    def sites(self) -> list[Site]:
        """Every transposed convolution, in the model's order."""
        ...

    def operators(self) -> list[tuple[str, int]]:
        """(name, version) of every operator."""
        ...

    def left(self, decisions: Sequence[Decision] = ()) -> list[tuple]:
        """(name, version) of every operator that stays, and its element types where the format states them.

        Args:
            decisions: on what `sites` returned last, not carried out yet.
        """
        going = Counter(decision.site.operator for decision in decisions if decision.verdict == "convert")
        staying = []
        for name, version in self.operators():
            if going[name]:
                going[name] -= 1
            else:
                staying.append((name, version))
        return staying

    def unseen(self) -> list[str]:
        """What nobody can see into, by name."""
        ...

    def inputs(self) -> list[ModelInput]:
        """The inputs of every entry point."""
        ...

    def fix(self, shapes: list[Shape | None]) -> None:
        """Fix open dimensions of the inputs, None for one that stays.

        Raises:
            SplitDeconvError: they cannot be fixed so.
        """
        ...

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Rewrite the sites whose verdict is "convert"; the decisions are on what `sites` returned last.

        Raises:
            SplitDeconvError: a site cannot be rewritten as decided.
        """
        ...

    def serialize(self) -> Any:
        """The model as bytes, or as the object that the format is kept in."""
        ...

    def write(self, path: Path) -> None:
        """Write the model to a file, and end with it."""
        path.write_bytes(self.serialize())

    def let_go(self) -> None:
        """Keep of the sites only what a proof needs; the model is used no more."""

    def notes(self) -> tuple[str, ...]:
        """What the user of the written file should know."""
        return ()


class Format(Protocol):
    """One format of model files.

    Attributes:
        name: how the format is called, which is also the suffix of its files, without a dot.
        loads_tensorflow: whether its models need TensorFlow, which takes its time and memory.
        kernels: the kernels that its runtime can be asked for, as of `splitdeconv.formats.port`.
        alone: kernels that an operator by itself may need beside them.
        runs_files: whether a runtime of its own reads its files.
        runs_empty: whether its runtime is made for a batch of 0.
        exact_sums: whether its runtime sums integers as such, and half precision in single precision.
        sized: whether it can leave the size of an image open to who lists its layers.
        float_tokens: whether an input of floats may be looked up in a table.
    """

    name: str
    loads_tensorflow: bool = False
    kernels: tuple[str, ...] = KERNELS
    alone: tuple[str, ...] = ()
    runs_files: bool = True
    runs_empty: bool = True
    exact_sums: bool = False
    sized: bool = False
    float_tokens: bool = False

    def begins(self, head: Bytes) -> bool:
        """Whether a file that begins with these bytes may be of this format."""
        ...

    def holds(self, data: Bytes) -> bool:
        """Whether a file that begins so is of this format."""
        return True

    def source(self, path: Path) -> Any:
        """What a file is parsed from: its bytes, or the path where `parse` reads that itself."""
        return path.read_bytes()

    def bytes_outside(self, model: Path, path: str | None) -> int:
        """How much a model keeps in files beside its own, told before it is parsed for good."""
        return 0

    def parse(self, data: Any, path: str | Path | None = None) -> Model:
        """Read a model as data: nothing of it is run.

        Args:
            data: bytes, the path of a file, or the object that the format is kept in.
            path: where it lies; other files are found beside it, and refusals name it.

        Raises:
            SplitDeconvError: no sound model of this format.
        """
        ...

    def load(
        self,
        model: Any,
        path: str | None = None,
        kernels: str = KERNELS[0],
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        """The entry points of a model by name, each ready to run.

        Args:
            model: bytes, the path of a file, an object of the format's, or a part that `cut` made.
            path: where the bytes came from, for data in other files.
            kernels: one of `kernels` or `alone`.
            native: compute layers that are split as the framework's own.
            threads: of the kernels; None for all of the machine's.

        Raises:
            RejectedError: the runtime does not take the model.
        """
        ...

    def opened(self, original: Any, converted: Any) -> tuple[Any, Any]:
        """Two models as a proof holds them."""
        return original, converted

    def cut(self, original: Any, converted: Any, site: Site, folder: Path | None = None) -> Cut:
        """Cut the operator of a site out of both models.

        Args:
            original, converted: the models.
            site: one of the original's transposed convolutions.
            folder: where to put parts that are files; None to hold them in memory.

        Raises:
            UncutError: that cannot be done.
        """
        raise UncutError("operators of this format are not run alone")

    def spoiled(self, model: Any, site: Site) -> bytes | None:
        """The model with a site that computes something else; None where that cannot be made."""
        return None

    def tables(self, model: Any) -> Iterator[tuple[str, int]]:
        """(input, rows) for every table that an input is looked up in."""
        yield from ()

    def lengths(self, model: Any) -> Iterator[str]:
        """The inputs that say how many steps of others are no padding."""
        yield from ()

    def step_bound(self, data: Any, site: Site) -> Callable[[Any], float] | None:
        """How far one step of every activation moves a site's results; None if its kernel quantizes none."""
        return None

    def keeps_state(
        self,
        model: Any,
        run: Runner,
        fresh: Callable[[], Runner],
        feed: Arrays,
        same: Callable[[Arrays, Arrays], bool],
    ) -> bool:
        """Whether a model of which two runs differ has a memory, and does not draw random numbers.

        Args:
            model: as `load` takes it.
            run: its entry point.
            fresh: loads it once more.
            feed: an input.
            same: whether two outputs agree up to rounding.
        """
        return False

    def result(self, content: Any, folder: Path | None) -> Any:
        """What a caller gets as a converted model: bytes with everything inside, or an object of the format's.

        Args:
            content: the model as it came out: bytes, or the object.
            folder: where other files lie that it may refer to; None for none.

        Raises:
            SplitDeconvError: it is too large to be held so.
        """
        return content

    def save(self, content: Any, folder: Path | None, path: str | Path, overwrite: bool = False) -> Path:
        """Write a model so that it loads from where it is written, whole or not at all.

        Args:
            content, folder: as for `result`.
            path: the file.
            overwrite: whether files may be replaced.

        Raises:
            SplitDeconvError: the folder is missing, full or read-only, or the file is there already.
        """
        return output.write(path, content, overwrite)

    def layers(self, data: Any, where: str, path: str | Path | None = None, size: int | None = None) -> list[dict]:
        """Every layer that multiplies, as rows with keys of `splitdeconv.networks.table.COLUMNS`.

        Args:
            data: bytes of a model, or its path.
            where: what to call it in a refusal.
            path: where it lies.
            size: height and width of the image, where the format can leave them open.

        Raises:
            SplitDeconvError: an operator that is not described, or a size that is known only at run time.
        """
        ...

    def nodes(self, data: bytes) -> list[Node] | None:
        """The operators of the main graph, in order; None of a format that is not drawn."""
        return None

    def arena_peak(self, model: Any) -> int | None:
        """Peak of the interpreter's memory arena in bytes; None of a format that has none."""
        return None
