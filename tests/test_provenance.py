"""Where a result was made: the processor's model, never only its maker."""

import os
from pathlib import Path

import pytest

from splitdeconv import provenance

FULL = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz
stepping\t: 6

processor\t: 1
model\t\t: 999
"""
HIDDEN = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (
            FULL,
            "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz (family 6, model 106, stepping 6), "
            "3 logical cores",
        ),
        (HIDDEN, "AMD EPYC (family 25, model 17), 3 logical cores"),
        (ARM, "aarch64, 3 logical cores"),
    ],
)
def test_a_device_is_named_by_its_model(monkeypatch, described, expected):
    monkeypatch.setattr(Path, "read_text", lambda self, *_, **__: described)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(provenance.platform, "processor", lambda: "")
    monkeypatch.setattr(provenance.platform, "machine", lambda: "aarch64")
    assert provenance.device() == expected


def test_a_machine_without_that_file_has_a_name(monkeypatch):
    def refuse(self, *_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(provenance.platform, "processor", lambda: "arm")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert provenance.device() == "arm, 8 logical cores"
