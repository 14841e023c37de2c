"""The command line as a process: closed, full and abandoned streams, and little memory."""

import os
import subprocess
import sys

import pytest

from splitdeconv.cli import show, streams
from tests.cli.files import MODELS

COMMAND = f"{sys.executable} -m splitdeconv"


@pytest.fixture
def shell(tmp_path):
    """Run a shell command beside a model; `splitdeconv` is a word in it."""
    (tmp_path / "up.tflite").write_bytes(MODELS["tflite"])

    def shell(command, **environment):
        done = subprocess.run(
            ["bash", "-c", command.replace("splitdeconv", COMMAND)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **environment},
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return shell


@pytest.mark.slow
@pytest.mark.parametrize("redirect", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_nobody_who_reads_is_no_failure(shell, tmp_path, redirect):
    code, _, err = shell(f"splitdeconv convert up.tflite -o out.tflite {redirect}")
    assert (code, err) == (0, "")
    assert (tmp_path / "out.tflite").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("convert up.tflite -o out.tflite", 0),
        ("inspect up.tflite --json", 0),
        ("plan --input 16 --kernel 5", 0),
        ("--help", 0),
        ("verify up.tflite missing.tflite", 1),
    ],
)
def test_a_reader_that_has_gone_is_no_failure(shell, command, code):
    got, _, err = shell(f"splitdeconv {command} | true; exit ${{PIPESTATUS[0]}}")
    assert got == code
    assert bool(err) == bool(code)


@pytest.mark.slow
def test_a_full_disk_is_one_line(shell, tmp_path):
    code, _, err = shell("splitdeconv convert up.tflite -o out.tflite > /dev/full")
    assert (code, err) == (
        1,
        "splitdeconv: standard output cannot be written: No space left on device\n",
    )
    assert (tmp_path / "out.tflite").is_file()
    code, _, err = shell("splitdeconv verify up.tflite missing.tflite > /dev/full")
    assert (code, err.count("splitdeconv: ")) == (1, 1)


def test_no_temporary_folder_is_named(shell, tmp_path):
    (tmp_path / "script.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/proc/none']\n"
        "from splitdeconv.cli import main\nmain(['inspect', 'up.tflite'])"
    )
    code, out, err = shell(f"{sys.executable} script.py")
    assert (code, out) == (1, "")
    assert err.startswith("splitdeconv: the temporary folder cannot be used\n")


@pytest.mark.parametrize("size", [100_000, 150_000])
def test_little_address_space_is_a_short_message(shell, tmp_path, size):
    code, out, err = shell(f"ulimit -v {size}; splitdeconv convert up.tflite -o out.tflite")
    assert (code, out) == (1, "")
    assert 0 < len(err.splitlines()) < 6
    assert not (tmp_path / "out.tflite").exists()


def test_warnings_as_errors_refuse_no_model(shell):
    code, _, err = shell("splitdeconv inspect up.tflite", PYTHONWARNINGS="error")
    assert (code, err) == (0, "")


def test_what_a_terminal_would_obey_is_printed_as_an_escape():
    assert show.visible("a\x1b[31m\x07\r\n\t\x9b\u202e\u200b\u2028\udc80é 日") == (
        r"a\x1b[31m\x07\r\n\t\x9b\u202e\u200b\u2028\udc80é 日"
    )
    assert show.visible(5) == "5"


def test_a_stream_drops_what_it_cannot_write_and_tells_the_first_reason():
    read, write = os.pipe()
    raw = streams._Stream(write, "w")
    assert (raw.write(b"abc"), os.read(read, 3), raw.error) == (3, b"abc", None)
    os.close(read)
    assert raw.write(b"abc") == 3
    assert isinstance(raw.error, BrokenPipeError)
    raw.close()
    with streams._Stream(os.open("/dev/full", os.O_WRONLY), "w") as full:
        assert (full.write(b"abc"), full.error.errno) == (3, 28)
