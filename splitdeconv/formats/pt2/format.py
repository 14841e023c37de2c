"""The format of PyTorch: .pt2 files and exported programs, run by PyTorch itself."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import SplitDeconvError
from ..cut import Cut
from ..format import Format
from ..recognition import archives

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    from ..content import Bytes, Source
    from ..port import Runner
    from ..row import Row
    from ..site import Site
    from .modules import ModuleModel
    from .program import ProgramModel
    from .runtime import Part

    #: A model in memory.
    Object: TypeAlias = "ExportedProgram | Module"


class Pt2(Format):
    """See `splitdeconv.formats.format`; PyTorch is imported when a method is called."""

    name = "pt2"
    kernels = ("default",)

    def begins(self, head: Bytes) -> bool:
        return head[:4] == b"PK\x03\x04"

    def holds(self, data: Bytes) -> bool:
        """Whether the archive is a program of `torch.export.save`."""
        from .archive import file

        held: Any = io.BytesIO(data) if isinstance(data, bytes) else data
        try:
            with zipfile.ZipFile(held) as archive:
                return file.is_program(archive)
        except archives.BROKEN:
            return False

    def owns(self, model: object) -> bool:
        # As above, PyTorch.
        if "torch" not in sys.modules:
            return False
        torch = sys.modules["torch"]
        return isinstance(model, torch.nn.Module | torch.export.ExportedProgram)

    def source(self, path: Path) -> Path:
        return path

    def parse(
        self, data: Object | Part | bytes | Path, path: str | Path | None = None
    ) -> ProgramModel | ModuleModel:
        from .archive import file
        from .cut import exported
        from .modules import ModuleModel
        from .program import ProgramModel
        from .runtime import Part

        if isinstance(data, bytes | Path):
            data = file.load(data, "a .pt2 file" if path is None else str(path))
        elif isinstance(data, Part):
            data = exported(data)
        return ModuleModel(data) if hasattr(data, "named_modules") else ProgramModel(data)

    def load(
        self,
        model: Object | Part | bytes | Path,
        path: str | None = None,
        kernels: str = "default",
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        from . import modules, runtime

        if isinstance(model, bytes | Path):
            model = self.parse(model, path).serialize()
        if hasattr(model, "named_modules"):
            return modules.load(model)
        return runtime.load(model, threads)

    def opened(self, original: Source, converted: Source) -> tuple[Object, Object]:
        first = self.parse(original).serialize()
        second = first if converted is original else self.parse(converted).serialize()
        return first, second

    def cut(
        self,
        original: Object,
        converted: Object,
        site: Site,
        folder: Path | None = None,
    ) -> Cut:
        """The part of each graph between the same two tensors, or the two modules."""
        from .cut import module_part, part_of

        if hasattr(original, "named_modules"):
            return Cut(module_part(original, site), module_part(converted, site))
        this = site.key
        names = {node.name for node in converted.graph.nodes}
        folds = this.sink is not None and this.node.name not in names
        sink = this.sink.name if folds else this.node.name
        return Cut(part_of(original, this, sink), part_of(converted, this, sink))

    def result(self, content: Object | bytes, folder: Path | None) -> Object:
        """An `ExportedProgram`, or a module where the original is one."""
        return self.parse(content).serialize() if isinstance(content, bytes) else content

    def save(
        self,
        content: Object | bytes,
        folder: Path | None,
        path: str | Path,
        overwrite: bool = False,
        external: bool = False,
    ) -> Path:
        from .archive import file

        if hasattr(content, "named_modules"):
            raise SplitDeconvError(
                "a module has no file of its own",
                where=str(path),
                expected="an exported program",
                got=type(content).__name__,
                fix="export it: torch.export.save(torch.export.export(result.model, inputs), path)",
            )
        data = content if isinstance(content, bytes) else file.save(content)
        return super().save(data, folder, path, overwrite)

    def layers(
        self,
        data: bytes | Path,
        where: str,
        path: str | Path | None = None,
        size: Sequence[int] | None = None,
    ) -> list[Row]:
        from .layers import layers

        return layers(self.parse(data, path).serialize(), where)


FORMAT = Pt2()
