"""Jobs of the child process, done in this one: quicker, and open to what a test replaces."""

import json
from pathlib import Path

from splitdeconv.convert import job as jobs
from splitdeconv.convert.task import Task


def here(module, order, folder, progress=None):
    """What `splitdeconv.limits.sandbox.run` does, without a process or limits."""
    task = Task.from_json(json.loads(json.dumps(order.task)))
    return json.loads(json.dumps(jobs.run(task, Path(folder))))
