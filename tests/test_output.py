"""Where results may be written, and that nothing but a regular file is ever replaced."""

import os
import shutil
import socket
import threading

import pytest

from splitdeconv import output
from tests.refusals import refused

REFUSED = "the output cannot be written"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(kind, path):
    """Something at `path` that is not a regular file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "device":
        try:
            os.mknod(path, 0o020666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
@pytest.mark.parametrize("linked", [False, True])
def test_only_a_regular_file_is_replaced(tmp_path, kind, linked):
    odd = tmp_path / "odd"
    make(kind, odd)
    before, out = odd.lstat(), odd
    if linked:
        out = tmp_path / "link"
        out.symlink_to(odd)
    listed = names(tmp_path)
    for overwrite in (False, True):
        with refused(REFUSED) as caught:
            output.write(out, b"content", overwrite)
        assert caught.value.got == (
            "a folder" if kind == "folder" else "a device, a pipe or a socket"
        )
    after = odd.lstat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert names(tmp_path) == listed


def test_the_target_of_a_link_is_replaced_with_its_mode(tmp_path):
    (tmp_path / "private").write_bytes(b"old")
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "link").symlink_to("private")
    with refused(REFUSED) as caught:
        output.write(tmp_path / "link", b"new")
    assert caught.value.got == "a file that is already there"
    assert output.write(tmp_path / "link", b"new", overwrite=True) == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "private").read_bytes() == b"new"
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_dangling_link_is_followed_only_when_told(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("later")
    with refused(REFUSED) as caught:
        output.write(link, b"content")
    assert caught.value.got == f"a link to {tmp_path / 'later'}, which does not exist"
    assert names(tmp_path) == ["link"]
    output.write(link, b"content", overwrite=True)
    assert (link.is_symlink(), (tmp_path / "later").read_bytes()) == (True, b"content")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target", ["loop", "no/such/file", "file/below"])
def test_a_link_that_leads_to_no_folder_is_refused(tmp_path, target, overwrite):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to(target)
    with refused(REFUSED):
        output.write(tmp_path / "loop", b"content", overwrite)
    assert names(tmp_path) == ["file", "loop"]


def test_a_link_to_a_file_without_a_name_is_refused(tmp_path):
    with (tmp_path / "gone").open("w") as file:
        (tmp_path / "gone").unlink()
        with refused(REFUSED):
            output.write(f"/proc/self/fd/{file.fileno()}", b"content", overwrite=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_threads_that_write_one_path(tmp_path, overwrite):
    start, said = threading.Barrier(4), []

    def save(content):
        start.wait()
        try:
            said.append(output.write(tmp_path / "out", content, overwrite).name)
        except ValueError as error:
            said.append(error.expected)

    contents = [bytes([i]) * 3_000_000 for i in range(4)]
    threads = [threading.Thread(target=save, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == (["out"] * 4 if overwrite else ["a new file"] * 3 + ["out"])
    assert (tmp_path / "out").read_bytes() in contents
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    if step == "link":
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with refused(REFUSED) as caught:
        output.write(tmp_path / "out", b"content")
    assert caught.value.got == "No space left on device"
    assert names(tmp_path) == []


def test_a_real_full_disk(tmp_path):
    # /dev/full is a disk without room: whatever is written to it fails as it would there.
    (tmp_path / "source").write_bytes(b"content")
    with refused(REFUSED) as caught:
        output.write(
            tmp_path / "out", lambda partial: shutil.copyfile(tmp_path / "source", "/dev/full")
        )
    assert caught.value.got == "No space left on device"
    assert names(tmp_path) == ["source"]


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with refused(REFUSED) as caught:
        output.check(tmp_path / "out.tflite")
    assert caught.value.got.startswith("no permission")


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    for name in ("x" * 255, "\N{GREEK SMALL LETTER XI}" * 127):
        output.write(tmp_path / name, b"content")
        assert names(tmp_path) == [name]
        (tmp_path / name).unlink()
    for name in ("x" * 256, "x" * 300 + "/out"):
        with refused(REFUSED) as caught:
            output.check(tmp_path / name)
        assert caught.value.got == "File name too long"
    with refused(REFUSED):
        output.check(tmp_path / "a\0b")


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    out = tmp_path / "out"

    def write(partial):
        partial.write_bytes(b"ours")
        out.write_bytes(b"somebody else's")

    with refused(REFUSED) as caught:
        output.write(out, write)
    assert caught.value.got == "a file that appeared meanwhile"
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"somebody else's"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_that_is_read_is_not_replaced_under_any_name(tmp_path, monkeypatch, link):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.yaml").write_text("mine")
    link("in.yaml", "other.yaml")
    for name in ("in.yaml", "./in.yaml", tmp_path / "in.yaml", "other.yaml"):
        with refused(REFUSED) as caught:
            output.check(name, overwrite=True, read=("a name", "in.yaml"))
        assert caught.value.expected == "a file of its own"
    assert output.check("new.yaml", read=("a name", "in.yaml")).name == "new.yaml"
    assert output.check("a name", read=("a name", "in.yaml")).name == "a name"  # of a network
    assert output.same("new.yaml", [tmp_path / "new.yaml"])
