"""A temporary folder that cannot be used is named as the cause, not the model."""

import errno
import json
import os
import tempfile

import pytest

from splitdeconv.convert import _worker, exchange, job as jobs
from splitdeconv.limits import allowance, sandbox, temporary
from tests.formats.tflite.models import Deconv, deconv_model
from tests.refusals import refused

UNUSABLE = "the temporary folder cannot be used"


def test_no_place_for_a_folder(monkeypatch):
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    monkeypatch.setattr(tempfile, "tempdir", None)
    with refused(UNUSABLE) as caught, exchange.job("inspect", deconv_model(Deconv()), options={}):
        pass
    assert "TMPDIR" in caught.value.fix


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_folder_that_cannot_be_written(tmp_path, number):
    def write():
        with temporary.writing(tmp_path / "exchange"):
            raise OSError(number, os.strerror(number))

    with refused(UNUSABLE) as caught:
        write()
    assert (caught.value.where, caught.value.got) == (str(tmp_path), os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_child_without_room(monkeypatch, tmp_path, number):
    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(jobs, "run", full)
    with exchange.job("inspect", deconv_model(Deconv()), options={}) as job:
        monkeypatch.setattr(allowance, "begin", lambda *_: None)
        order = sandbox.Order(job.task.to_json(), sandbox.Limits(5, 1000))
        (job.folder / sandbox.TASK).write_text(json.dumps(order.to_json()))
        assert _worker.main(job.folder) == sandbox.NO_ROOM
        monkeypatch.setattr(sandbox, "_command", lambda *_: ["sh", "-c", f"exit {sandbox.NO_ROOM}"])
        with refused(UNUSABLE) as caught:
            job.run()
    assert caught.value.got == "No space left on device"
