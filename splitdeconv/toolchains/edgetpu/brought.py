"""Times that were measured on a device elsewhere, by the script of `make edge-tpu`."""

from pathlib import Path

import pandas as pd

from ...errors import SplitDeconvError, one_line

#: What a results file says of each form of each network; times in seconds, with their intervals.
COLUMNS = [
    "network",
    "form",
    "processor",
    "seconds",
    "low",
    "high",
    "baseline",
    "speedup",
    "speedup_low",
    "speedup_high",
    "turns",
    "lsb_max",
    "lsb_share",
    "on_cpu",
    "skipped",
    "device",
    "date",
    "versions",
]
PROCESSORS = ("Edge TPU", "CPU")


def brought(path: str | Path) -> pd.DataFrame:
    """Load the results of `run_edge_tpu.py`, measured on another machine.

    Args:
        path: the file edge_tpu_results.csv.

    Returns:
        The table; without rows if the file is missing. ``processor`` distinguishes times of the
        device from times of its host's CPU.

    Raises:
        SplitDeconvError: the file is not such a table.
    """
    path = Path(path)
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:  # pandas' errors are ValueErrors
        raise _refused(path, one_line(error)) from None
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise _refused(path, f"no column {missing[0]}")
    others = sorted(set(table["processor"]) - set(PROCESSORS), key=str)
    if others:
        raise _refused(path, f"the processor {others[0]}")
    timed = table["seconds"].notna()
    if not (timed | table["skipped"].notna()).all() or (table.loc[timed, "seconds"] <= 0).any():
        raise _refused(path, "a row without a time above 0 and without a reason")
    return table


def _refused(path: Path, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        "the results cannot be read",
        where=str(path),
        expected="a table that run_edge_tpu.py wrote",
        got=got,
        fix="copy edge_tpu_results.csv again, unchanged; make edge-tpu writes the script",
    )
