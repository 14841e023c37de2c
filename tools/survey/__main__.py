"""Survey the networks of benchmarks/networks.yaml: python -m tools.survey [--only REGEX].

The table is kept after each file, so that a run can be stopped and goes on where it was. What it
holds is not asked again: delete its rows for that. Nothing else should run meanwhile, unless
nothing is timed (`--no-times`); a later run then adds the times.
"""

import argparse
import re
import tempfile
from dataclasses import asdict

import pandas as pd
from rich.progress import track

from splitdeconv.limits.child import Child
from splitdeconv.study import measured

from .entries import entries
from .table import COLUMNS, KEY, NAME, allowed, complete

#: Nothing is fetched: weights are seeded, and the libraries need not ask for news of them.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class LostError(Exception):
    """A process gave no answer, with the reason."""


def main(only, times):
    """Ask for what the table lacks, and print what came of it."""
    table = measured.read(NAME).reindex(columns=[*COLUMNS, *measured.ORIGIN])
    named = [entry for entry in entries() if re.search(only, entry.name)]
    wanted = [entry for entry in named if not complete(table, entry, times)]
    with Child("tools.survey.maker", _OFFLINE) as maker:
        for entry in track(wanted, "networks"):
            # A new process for each, whose children's memory is that of this file.
            with Child("tools.survey.judge") as judge:
                row = measured.stamp(
                    pd.DataFrame([surveyed(entry, maker, judge, times and entry.timed)])
                )
            same = (table["network"] == entry.network) & (table["export"] == entry.export)
            table = pd.concat([table[~same], row], ignore_index=True)
            measured.write(NAME, table)
    print(table.groupby(["format", "outcome"], dropna=False).size().unstack(fill_value=0))
    bad = table[~table["outcome"].isin(["converted", "nothing to convert"])]
    print(bad[[*KEY, "outcome", "reason"]].to_string(index=False))


def surveyed(entry, maker, judge, times):
    """One row: the file made, converted, compared, timed."""
    columns = {key: getattr(entry, key) for key in (*KEY, "family", "make")}
    try:
        with tempfile.TemporaryDirectory() as folder:
            _survey(entry, maker, judge, times, folder, columns)
    except LostError as lost:
        outcome = "hung" if "took longer than" in str(lost) else "crashed"
        columns |= {"outcome": outcome, "reason": str(lost)}
    return {column: columns.get(column) for column in COLUMNS}


def _survey(entry, maker, judge, times, folder, columns):
    """Fill `columns`, as far as it gets."""
    file = _asked(maker, do="make", entry=asdict(entry), folder=folder)
    path, inputs = file.pop("path"), file.pop("inputs")
    columns |= file | {"format": path.rpartition(".")[2]}
    columns |= _asked(judge, do="convert", path=path, inputs=inputs)
    made = columns.pop("made")
    if columns["outcome"] != "converted":
        return
    if inputs is not None:
        errors = _asked(maker, do="compare", path=path, others=made, inputs=inputs)["errors"]
        columns |= dict(zip(("error", "target_error"), errors, strict=False))
        if max(errors) > allowed(entry.export, columns["rounding"]):
            columns |= {"outcome": "wrong", "reason": f"outputs differ by {max(errors):.3g}"}
            return
    if times:
        columns |= _asked(judge, do="time", path=path, made=made[0], inputs=inputs)


_SECONDS = 600  # for one step, in which a library is also loaded


def _asked(child, **task):
    answer = child.ask(task, _SECONDS)
    if "reason" in answer and "outcome" not in answer:
        raise LostError(f"{task['do']}: {answer['reason']}")
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="files whose name it finds")
    parser.add_argument("--no-times", action="store_true", help="neither tune nor time")
    given = parser.parse_args()
    main(given.only, not given.no_times)
