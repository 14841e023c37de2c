"""The command line in a folder of its own."""

import pytest

from splitdeconv import cli
from splitdeconv.limits import sandbox
from tests import jobs
from tests.cli.files import MODELS
from tests.dlp.tables import networks


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in a new folder, jobs in this process: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return exit_.value.code, out, err

    monkeypatch.setattr(sandbox, "run", jobs.here)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "up.tflite"
    path.write_bytes(MODELS["tflite"])
    return path


@pytest.fixture
def network(tmp_path):
    """DCGAN as a file."""
    path = tmp_path / "dcgan.csv"
    networks("DCGAN").to_csv(path, index=False)
    return path
