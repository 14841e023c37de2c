"""The processor that a file of another simulator describes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...datafiles import plain_yaml
from ...datafiles.textfile import read_text
from ...errors import SplitDeconvError, check_choice, shown
from ..processor import Processor, ProcessorLike, Technology
from .accelforge import accelforge
from .architecture import Architecture, Reader
from .components import TAGS
from .records import processor_of, technology_of
from .zigzag import zigzag


class Tool(NamedTuple):
    """A tool whose files can be read.

    Args:
        title: its name.
        key: that only its files have.
        tags: that mappings of a file may have.
        read: what reads its content.
    """

    title: str
    key: str
    tags: tuple[str, ...]
    read: Callable[[Any, Reader], Architecture]


TOOLS = {
    "zigzag": Tool("ZigZag", "operational_array", (), zigzag),
    "accelforge": Tool("accelforge", "arch", TAGS, accelforge),
}


def import_processor(
    path: str | os.PathLike[str],
    tool: str | None = None,
    start: ProcessorLike | None = None,
) -> tuple[Processor, Technology | None]:
    """Read an architecture file of ZigZag or accelforge as a processor of this model.

    Args:
        path: a YAML file. It is read as data; nothing in it is executed.
        tool: "zigzag" (3.9.1: the file of an accelerator) or "accelforge" (1.0: the file of an
            `arch`); None to tell it by the file's keys.
        start: name, path or `Processor`, whose values are taken where the file says nothing: its
            clock, policies and bursts, for instance. By default a small processor of the same kind
            of array. Each value's origin says where it is from.

    Returns:
        The processor, and a technology of the file's energies; None if it has none.

    Raises:
        SplitDeconvError: the file is unreadable or not plain YAML; or it describes what this model
            does not have, such as further levels of memory, buffers that operands share, or other
            dataflows. One error names all of that.

    Example:
        >>> import tempfile
        >>> import splitdeconv as sd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = sd.dlp.export("dcgan", "pe_array_32x7", folder, format="zigzag")
        ...     processor, technology = sd.dlp.import_processor(f"{folder}/accelerator.yaml")
        >>> processor.rows, processor.cols, round(technology.dram_pj)
        (32, 7, 1300)
    """
    file = Path(path)
    where = str(file)
    if tool is not None:
        check_choice(tool, tuple(TOOLS), "tool", "import_processor")
    text = read_text(file, where, "an architecture file")
    tags = (
        TOOLS[tool].tags if tool else tuple(tag for known in TOOLS.values() for tag in known.tags)
    )
    data = plain_yaml.load(text, where, tags)
    known = TOOLS[tool or _tool(data, where)]
    architecture = known.read(data, Reader(where, known.title))
    processor = processor_of(architecture, file.name, known.title, start)
    if architecture.costs is None:
        return processor, None
    return processor, technology_of(architecture.costs, processor, file.name, known.title)


def _tool(data: Any, where: str) -> str:
    """The tool whose key the file has."""
    for name, tool in TOOLS.items():
        if isinstance(data, dict) and tool.key in data:
            return name
    marks = " or ".join(f"{tool.key} ({tool.title})" for tool in TOOLS.values())
    raise SplitDeconvError(
        "the file is of no tool that can be read",
        where=where,
        expected=f"a mapping with the key {marks}",
        got=shown(list(data) if isinstance(data, dict) else data),
    )
