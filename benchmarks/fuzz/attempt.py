"""What the converter makes of one case, and whether that is right."""

import json
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.fuzz.agree import Finding, compare
from benchmarks.fuzz.case import generator
from splitdeconv import SplitDeconvError
from splitdeconv.convert import job as jobs
from splitdeconv.convert.rewrite import Options
from splitdeconv.convert.task import Convert, Files, Task
from splitdeconv.convert.verify.empty import EMPTY_BATCH

#: Outcomes that must not be.
BAD = ("differ", "error", "refused wrongly", "crash", "hang", "memory", "fuzzer failed")
_UNPROVEN = "could not be verified; it was not written"
_UNLIKE = f"{jobs.UNLIKE}; it was not written"


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Args:
        name: one of BAD, or
            "refused";
            "unproven": refused, for it could not be run;
            "nothing": there is nothing to convert;
            "converted": and the same by value;
            "empty batch": converted, and fails at a batch of 0, as the report says;
            "tie": converted, values fall to the other side of a quantizer's border;
            "non-finite": converted, NaN and infinity elsewhere, as README says they may be;
            "not compared": converted, no runtime runs the original, or none shows its quantizers;
            "caught": a wrong rewrite that verification refused;
            "refused alike": an injured file, or one that is open to doubt, that verification
            refused although it is the same on other inputs;
            "runtime": a runtime died or hung on the original.
        detail: why.
    """

    name: str
    detail: str = ""


#: Sums that overflow in one order and not in another; wrongly declared shapes that runtimes may
#: believe.
_OPEN_TO_DOUBT = ("edge filters", "stale value_info")
#: The first input's shape in what is told of a run with no images.
_EMPTY = "{'0': (0,"


def draw(kind, number):
    """The `number`-th case of a format."""
    return import_module(f"benchmarks.fuzz.{kind}_files").draw(number)


def attempt(case, number, enter=lambda stage: None):
    """Convert a case as the converter's child process does, and compare what comes of it.

    Args:
        case: a `Case`.
        number: seed of the inputs.
        enter: called with the name of each stage.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        folder = Path(folder)
        path = folder / f"model.{case.kind}"
        path.write_bytes(case.data)
        for name, content in case.files.items():
            (folder / name).write_bytes(content)
        enter("convert")
        refusal = result = report = None
        try:
            result, report = convert(case, path)
        except SplitDeconvError as error:
            refusal = error.problem
            if not refusal.endswith((_UNPROVEN, _UNLIKE)):
                got = f"{error.problem}: {str(error.got)[:120]}"
                return Outcome("refused", f"SOUND: {got}" if case.sound else got)
        except MemoryError:
            return Outcome("refused", "out of memory")
        except Exception as error:  # what this is here to find
            return Outcome("error", f"{type(error).__name__}: {error}"[:300])
        if result == case.data:
            return Outcome("nothing", "; ".join(report["notes"]))
        if refusal is not None or case.kind != "keras" or number % 10 == 0:
            enter("rewrite")
            plain, plain_report = convert(case, path, verify=False)
            if refusal is None and plain != result:
                return Outcome("differ", "verification changes what is written")
            result, report = (plain, plain_report) if refusal is not None else (result, report)
        enter("compare")
        finding = _compare(case, result, folder, generator(case.kind, number, 2), enter)
        return _judge(case, report, refusal, finding)


def convert(case, path, verify=True):
    """(The converted file, the report), in this process."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        verb = Convert(Options(**case.options), verify, samples=2, seed=0)
        task = Task(verb, Files(path, path.name, beside=path))
        _number_anew()
        report = json.loads(json.dumps(jobs.run(task, Path(folder))))
        return (Path(folder) / "output").read_bytes(), report


def _number_anew():
    """Let Keras number the layers that a file does not name from 1, as in a new process."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)


def _compare(case, result, folder, rng, enter):
    module = import_module(f"benchmarks.fuzz.{case.kind}_run")
    load = module.loader(folder)
    return compare(load, case.data, result, module.FAMILIES, rng, case.definition, enter)


def _judge(case, report, refusal, finding: Finding):
    """The outcome, from what the converter and the comparison say."""
    if refusal is not None and refusal.endswith(_UNPROVEN):
        return Outcome("caught" if finding.rank == "differ" else "unproven", finding.detail)
    if refusal is not None:
        if finding.rank in ("differ", "non-finite"):
            return Outcome("caught", finding.detail)
        wrongly = (
            case.sound
            and finding.rank != "not compared"
            and not any(map(case.story.count, _OPEN_TO_DOUBT))
        )
        return Outcome("refused wrongly" if wrongly else "refused alike", finding.detail)
    if finding.rank == "differ" and _EMPTY in finding.detail and EMPTY_BATCH in _notes(report):
        return Outcome("empty batch", finding.detail)
    name = {"same": "converted"}.get(finding.rank, finding.rank)
    return Outcome(name, finding.detail)


def _notes(report):
    """What verification found worth knowing."""
    return (report["verification"] or {"notes": ()})["notes"]
