"""The child's side of `child`: answer every task, which is a line of JSON, with a line."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import explain


def serve(answer: Callable[[Any], Any]) -> None:
    """Answer tasks from standard input until there are no more.

    Anything else that this process or one of its libraries prints is redirected to standard error.
    An exception is returned as an answer.

    Args:
        answer: function from a task to its answer, both JSON-serializable.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            text = json.dumps(answer(json.loads(line)))
        except Exception as error:  # runtimes and drivers may raise anything
            text = json.dumps({"reason": explain(error)})
        print(text, file=answers, flush=True)
