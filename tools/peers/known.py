"""Results by what was asked, kept on disk: a convolution that layers share is simulated once.

Imported by the scripts that run in the simulators' own environments, so it needs nothing else.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Known:
    """Results of one simulator, a line for each, appended as they come.

    Args:
        path: the file; created by the first result. A last line that an interruption cut short is
            dropped.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.results: dict[str, list[Any]] = {}
        lines = self.path.read_text().split("\n") if self.path.exists() else [""]
        if lines[-1]:
            self.path.write_text("\n".join([*lines[:-1], ""]))
        for line in lines[:-1]:
            entry = json.loads(line)
            self.results[entry["key"]] = entry["result"]

    def get(self, asked: object, run: Callable[[], list[Any]]) -> list[Any]:
        """The result for what is asked, from the file or by running it.

        Args:
            asked: everything that the result depends on, as JSON has it.
            run: what finds the result, a list of numbers and strings.
        """
        text = json.dumps(asked, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in self.results:
            self.results[key] = run()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "result": self.results[key]}) + "\n")
        return self.results[key]
