"""The example inputs of a program: a pickle, of which only tensors and numbers are handed on.

PyTorch writes the keys of the structures in them into source code that it runs.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from itertools import islice
from typing import Any

from ....extras import require
from ...recognition import archives
from . import texts
from .refusals import damaged, refuse

#: Steps of a pickle, of which a tensor takes some thirty; structures deeper than these overflow.
_MOST_STEPS, _DEEPEST = 100_000, 50


def rewritten(content: bytes, where: str, place: str) -> bytes:
    """The member that holds the example inputs, written anew.

    Args:
        content: of the member; empty without example inputs.
        where: the name of the file in errors.
        place: the name of the member.

    Raises:
        SplitDeconvError: it holds other things than tensors, numbers and plain texts in tuples,
            lists and dictionaries; or it is damaged.
    """
    if not content:
        return content
    torch = require("torch", "torch")
    try:
        problem = _problem(content)
        held = None if problem else torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, *archives.BROKEN) as error:
        raise refuse(where, place, f"a pickle: {error}") from None
    if problem is not None:
        raise damaged(where, ValueError(problem))
    if not _is_plain(torch, held):
        raise refuse(where, place, "example inputs other than tensors and numbers")
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def _problem(content: bytes) -> str | None:
    """Why an archive is not opened: it is larger than its bytes, or its pickle has many steps."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for item in archive.infolist():
            if item.compress_type != zipfile.ZIP_STORED:
                return f"the member {item.filename} is compressed"
            if item.filename.endswith("/data.pkl"):
                steps = islice(pickletools.genops(archive.read(item)), _MOST_STEPS)
                if sum(1 for _ in steps) == _MOST_STEPS:
                    return "the example inputs have too many parts"
    return None


def _is_plain(torch: Any, value: Any, depth: int = 0) -> bool:
    """Whether a value is made of tensors, numbers and texts from which no code can be made."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        keys = all(_is_key(key) for key in value)
        return keys and all(_is_plain(torch, one, depth + 1) for one in value.values())
    if type(value) in (tuple, list):
        return all(_is_plain(torch, one, depth + 1) for one in value)
    if isinstance(value, torch.Tensor):
        return type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout is torch.strided
    if isinstance(value, str):
        return texts.is_text(value)
    numbers = (bool, int, float, complex, torch.dtype, torch.device, torch.memory_format)
    return value is None or type(value) in numbers


def _is_key(key: Any) -> bool:
    return texts.is_key(key) if isinstance(key, str) else type(key) in (int, bool)
