"""Ask every back end for every layer, before and after conversion; see `tools.backends`."""

import pandas as pd
from rich.progress import track

from splitdeconv.limits.child import Child
from splitdeconv.provenance import installed
from splitdeconv.study import measured
from tools.backends.cases import cases
from tools.backends.ends import ENDS

NAME = "backends"
_SECONDS = 300  # for one layer, in which a back end is also loaded


def main():
    """Write the table, and print how many layers each back end accepts."""
    rows = []
    with Child("tools.backends.child") as child:
        for end, (package, _, _) in ENDS.items():
            version = f"{package} {installed(package) or '(not installed)'}"
            for case in track(cases(), end):
                for converted in (False, True):
                    task = {"case": case, "end": end, "converted": converted}
                    row = {"thread": case["thread"], "about": case["about"], "end": end}
                    row |= {"version": version, "model": "converted" if converted else "original"}
                    rows.append(row | answered(child.ask(task, _SECONDS)))
    table = pd.DataFrame(rows)
    measured.write(NAME, table)
    print(table.pivot_table("accepted", ["end"], "model", aggfunc="sum").to_string())


def answered(answer):
    """The columns of an answer; a process that was lost has not accepted the layer."""
    if "reason" in answer:
        return {"accepted": False, "remark": answer["reason"], "error": None}
    return answer


if __name__ == "__main__":
    main()
