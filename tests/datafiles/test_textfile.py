"""Text files: only regular ones of a sane size are opened."""

import os
from pathlib import Path

import pytest

from splitdeconv.datafiles.textfile import LARGEST, read_text
from tests.refusals import refused


def test_the_text_of_a_file_without_its_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfa \xc3\xa9\r\n")
    assert read_text(path, "here", "a file") == "a é\r\n"
    path.write_bytes(b"x" * LARGEST)
    assert len(read_text(path, "here", "a file")) == LARGEST


def test_a_file_that_claims_to_be_empty_is_not_read_on():
    # Files of the kernel have no size; some never end, and reading /proc/kmsg blocks.
    assert read_text(Path("/proc/self/status"), "here", "a file") == ""


@pytest.mark.parametrize("content", [b"\xff\xfea\x00", b"\xed\xa0\x80", b"\x80"])
def test_other_encodings_are_refused(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with refused("a file cannot be read") as caught:
        read_text(path, "here", "a file")
    assert caught.value.where == "here"


@pytest.mark.parametrize("kind", ["pipe", "zero", "link", "folder", "missing", "large"])
def test_what_is_not_a_regular_file_of_a_sane_size(tmp_path, kind):
    path = tmp_path / "a.txt"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "zero":
            path = Path("/dev/zero")
        case "link":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "large":
            with path.open("wb") as file:
                file.truncate(1 << 40)
    with refused("a file cannot be read"):
        read_text(path, "here", "a file")
