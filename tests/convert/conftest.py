"""What the tests of conversion share."""

import json

import pytest

from splitdeconv.convert import job as jobs
from splitdeconv.limits import sandbox


@pytest.fixture
def here(monkeypatch):
    """Jobs are done in this process: what a child costs is paid in the tests of the sandbox and a few others."""

    def run(job, folder, limits, progress=None):
        # Through JSON, as between processes.
        return json.loads(json.dumps(jobs.run(json.loads(json.dumps(job | {"folder": str(folder)})))))

    monkeypatch.setattr(sandbox, "run", run)
