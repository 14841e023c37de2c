"""The child's side of `child`: answer every task, a line of JSON, with a line."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import explain


def serve(answer: Callable[[Any], Any]) -> None:
    """Answer every task on the standard input until there are no more.

    What is printed meanwhile, by this process or by a library in it, is not an answer: it goes
    where errors go. An exception is an answer, too.

    Args:
        answer: from a task to its answer, both fit for JSON.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            text = json.dumps(answer(json.loads(line)))
        except Exception as error:  # runtimes and drivers may raise anything
            text = json.dumps({"reason": explain(error)})
        print(text, file=answers, flush=True)
