"""What every test shares: a quiet, seeded, CPU-only environment, set before any import."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from splitdeconv import privacy

# Assigned, not defaulted: a developer's shell must not change what the tests see.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND", "tensorflow")
os.environ["MPLBACKEND"] = "agg"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ.update(privacy.VARIABLES)
for leak in ("SPLITDECONV_FIGURES", "SPLITDECONV_RUN", "JPY_SESSION_NAME"):
    os.environ.pop(leak, None)

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

# PyTorch is in an environment of its own; `make test-torch` runs these there.
collect_ignore = (
    [] if find_spec("torch") else [str(p) for p in Path(__file__).parent.rglob("*torch*")]
)

# Derandomized: a run is the same everywhere, and a failure stays one. No deadline: a framework's
# first call compiles.
hypothesis.settings.register_profile("splitdeconv", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("splitdeconv")


@pytest.fixture
def rng():
    """A generator of its own for each test, always from the same seed."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seeded():
    """Global generators seeded before each test: NumPy's, and loaded frameworks'."""
    np.random.seed(0)  # noqa: NPY002 - libraries still draw from it
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture
def here(monkeypatch):
    """Jobs are done in this process; what a child costs is paid in a few tests alone."""
    from splitdeconv.convert import job as jobs
    from splitdeconv.convert.task import Task
    from splitdeconv.limits import sandbox

    def run(module, order, folder, progress=None):
        # Through JSON, as between processes.
        task = Task.from_json(json.loads(json.dumps(order.task)))
        return json.loads(json.dumps(jobs.run(task, Path(folder))))

    monkeypatch.setattr(sandbox, "run", run)
