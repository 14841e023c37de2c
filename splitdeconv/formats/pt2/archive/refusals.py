"""The errors for .pt2 files that are not read."""

from __future__ import annotations

from ....errors import SplitDeconvError, one_line, shown
from ...recognition import recipes


def damaged(where: str, error: BaseException) -> SplitDeconvError:
    """The error for an archive that cannot be read."""
    while error.__cause__ is not None:  # PyTorch wraps errors in prints of the whole node
        error = error.__cause__
    return SplitDeconvError(
        "the .pt2 file cannot be read",
        where=where,
        expected="a whole file, written by torch.export.save of this version of PyTorch or before",
        got=one_line(error, typed=True),
        fix=recipes.AGAIN,
    )


def refuse(where: str, place: str, got: str) -> SplitDeconvError:
    """The error for an archive that holds more than data."""
    return SplitDeconvError(
        "the .pt2 file holds code, which is never run",
        where=f"{where}, {place}",
        expected="a graph of PyTorch's operators, numbers and plain tensors",
        got=shown(got),
        fix="export the model anew on your own machine: "
        "torch.export.save(torch.export.export(model, inputs), 'model.pt2')",
    )


def foreign(where: str, place: str, got: str) -> SplitDeconvError:
    """The error for an operator that is not called."""
    return SplitDeconvError(
        "the .pt2 file calls an operator that is not read from files",
        where=f"{where}, {place}",
        expected="operators of PyTorch's own libraries that compute, and check what they get",
        got=shown(got),
        fix="run program.run_decompositions() before saving, or convert the program or the module "
        "itself in Python",
    )
