"""The child process of `libtpu`: answers each task, a line of JSON, with a line. `tpu_programs` does the work."""

import json
import os
import sys

from ...errors import one_line


def main():
    """Answer every task; an exception is an answer, too. What libraries print is none: it goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        cases = json.loads(line)
        try:
            # Not before: JAX and its plugins may print while they are imported, or not be importable at all.
            from . import programs
        except Exception as error:
            answer = {"reason": one_line(error, typed=True, most=200)}
        else:
            answer = _answer(programs, cases)
        print(json.dumps(answer), file=answers, flush=True)


def _answer(programs, cases):
    try:
        return programs.time(cases) if cases[0]["topology"] is None else [programs.estimate(case) for case in cases]
    except Exception as error:
        return {"reason": programs.explain(error)}


if __name__ == "__main__":
    main()
