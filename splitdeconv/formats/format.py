"""The interface of a model file format. Each format has a folder with a module `format`.

That module defines the `FORMAT` object. The rest of the package calls this interface and never
checks which format it has. A format implements the abstract methods; it overrides defaults that do
not suit it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .. import output
from ..errors import SplitDeconvError
from .content import Bytes, Source
from .cut import Cut, UncutError
from .graph import Node
from .model import Model
from .port import KERNELS, Arrays, Runner
from .site import Site

if TYPE_CHECKING:
    from ..core.typing import NumpyArray
    from .row import Row


class Format(Protocol):
    """One format of model files.

    Attributes:
        name: the name of the format and the suffix of its files, without a dot.
        loads_tensorflow: whether its models need TensorFlow, which costs time and memory.
        kernels: the kernels that its runtime offers, as in `splitdeconv.formats.port`.
        alone: additional kernels that an operator run in isolation may need.
        runs_files: whether a runtime of its own reads its files.
        runs_empty: whether its runtime supports a batch of 0.
        exact_sums: whether its runtime sums integers exactly, and float16 in single precision.
        sized: whether the image size can be left open and given when the layers are listed.
        float_tokens: whether a floating-point input may hold indices into a table.
        external: whether a model may keep tensors in other files.
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
    external: bool = False

    @abstractmethod
    def begins(self, head: Bytes) -> bool:
        """Whether a file that begins with these bytes may be of this format."""
        ...

    def holds(self, data: Bytes) -> bool:
        """Whether a file for which `begins` is true is of this format."""
        return True

    def owns(self, model: object) -> bool:
        """Whether an object in memory is a model of this format; it imports no framework."""
        return False

    def source(self, path: Path) -> Source:
        """What `parse` takes for a file: its bytes, or its path if `parse` reads it itself."""
        return path.read_bytes()

    def bytes_outside(self, model: Path, path: str | None) -> int:
        """How many bytes a model stores in other files, known before it is fully parsed."""
        return 0

    @abstractmethod
    def parse(self, data: Source, path: str | Path | None = None) -> Model:
        """Read a model as data; nothing in it is executed.

        Args:
            data: bytes, the path of a file, or the object that the format uses.
            path: where the model is; other files are looked up beside it, and errors name it.

        Raises:
            SplitDeconvError: it is not a valid model of this format.
        """
        ...

    @abstractmethod
    def load(
        self,
        model: Source,
        path: str | None = None,
        kernels: str = KERNELS[0],
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        """The entry points of a model by name, each ready to run.

        Args:
            model: bytes, the path of a file, an object of the format, or a part made by `cut`.
            path: where the bytes came from, for data in other files.
            kernels: one of `kernels` or `alone`.
            native: compute split layers with the framework's own operator.
            threads: number of threads for the kernels; None for all processors.

        Raises:
            RejectedError: the runtime rejects the model.
        """
        ...

    def opened(self, original: Source, converted: Source) -> tuple[Source, Source]:
        """Both models in the representation used for verification."""
        return original, converted

    def cut(
        self, original: Source, converted: Source, site: Site, folder: Path | None = None
    ) -> Cut:
        """Cut the operator of a site out of both models.

        Args:
            original, converted: the models.
            site: one of the original's transposed convolutions.
            folder: where to write parts that are files; None to keep them in memory.

        Raises:
            UncutError: the operator cannot be cut out.
        """
        raise UncutError("operators of this format cannot be run in isolation")

    def spoiled(self, model: Source, site: Site) -> bytes | None:
        """The model with one site made to compute something else; None where that is impossible."""
        return None

    def perturbed(
        self, model: Source, sites: Sequence[Site], amount: float, seed: int
    ) -> bytes | None:
        """The model with the biases of some sites changed by a relative amount, up or down.

        Args:
            model: the model, or a part of it made by `cut`.
            sites: transposed convolutions of the original, as `parse` found them.
            amount: the relative amount.
            seed: decides on the signs.

        Returns:
            The changed model; None where no bias is stored in it, or the format cannot change any.
        """
        return None

    def tables(self, model: Source) -> Iterator[tuple[str, int]]:
        """(input, rows) for every table that an input is an index into."""
        yield from ()

    def lengths(self, model: Source) -> Iterator[str]:
        """The inputs that hold the number of valid, unpadded steps of other inputs."""
        yield from ()

    def step_bound(self, data: Source, site: Site) -> Callable[[NumpyArray], float] | None:
        """A bound on how far results move if every activation moves by one quantization step.

        None if the kernel of the site does not quantize activations.
        """
        return None

    def keeps_state(
        self,
        model: Source,
        run: Runner,
        fresh: Callable[[], Runner],
        feed: Arrays,
        same: Callable[[Arrays, Arrays], bool],
    ) -> bool:
        """Whether a model whose runs differ keeps state, as opposed to drawing random numbers.

        Args:
            model: as `load` accepts it.
            run: its entry point.
            fresh: loads it again.
            feed: an input.
            same: whether two outputs agree up to rounding.
        """
        return False

    def result(self, content: Source, folder: Path | None) -> Source:
        """What the caller gets as the converted model: self-contained bytes, or an object.

        Args:
            content: the converted model, as bytes or as an object.
            folder: where the files are that it may refer to; None if there are none.

        Raises:
            SplitDeconvError: it is too large to be held in one piece.
        """
        return content

    def save(
        self,
        content: Source,
        folder: Path | None,
        path: str | Path,
        overwrite: bool = False,
        external: bool = False,
    ) -> Path:
        """Write a model so that it loads from its new location, completely or not at all.

        Args:
            content, folder: as for `result`.
            path: the file.
            overwrite: whether existing files may be replaced.
            external: whether large tensors go to a file beside it, if the format is `external`.

        Raises:
            SplitDeconvError: the folder is missing, full or read-only, or the file already exists.
        """
        return output.write(path, content, overwrite)

    def layers(
        self,
        data: Source,
        where: str,
        path: str | Path | None = None,
        size: Sequence[int] | None = None,
    ) -> list[Row]:
        """Every layer that multiplies, as rows; keys as in `splitdeconv.networks.table.COLUMNS`.

        Args:
            data: bytes of a model, or its path.
            where: the name of the model in errors.
            path: where the model is.
            size: height and width of the image, where the format can leave them open.

        Raises:
            SplitDeconvError: an operator cannot be described, or a size is known only at run time.
        """
        raise SplitDeconvError(
            "the layers of this format cannot be listed",
            where=where,
            expected="a format that can list the layers of its models",
            got=f"a .{self.name} file",
            fix="give a .csv file of its layers, or the model in another format",
        )

    def nodes(self, data: bytes) -> list[Node] | None:
        """The operators of the main graph, in order; None if this format cannot be drawn."""
        return None

    def arena_peak(self, model: Source) -> int | None:
        """Peak size of the interpreter's memory arena in bytes; None if the format has no arena."""
        return None
