"""A file is replaced in one step, by one writer, and stays as private as it was."""

import os
import threading

import pytest

from splitdeconv import atomic
from splitdeconv.atomic import replacing


def write(path, text, **options):
    with replacing(path, **options) as partial:
        partial.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("new", [False, True])
def test_a_new_file_obeys_the_umask(tmp_path, new):
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", "text", new=new)
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_the_mode_of_what_is_replaced_is_kept(tmp_path, mode):
    out = tmp_path / "out"
    out.write_text("old")
    out.chmod(mode)
    with replacing(out) as partial:
        assert partial.stat().st_mode & 0o077 == 0  # nobody else reads it before it has its mode
        partial.write_text("new")
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("new", mode)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    (tmp_path / "link").symlink_to("folder/file")
    (tmp_path / "dangling").symlink_to("folder/other")
    for name in ("link", "dangling"):
        write(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == name
    assert names(tmp_path / "folder") == ["file", "other"]


def test_what_is_not_a_regular_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(FileExistsError):
            write(tmp_path / name, "text")
    assert names(tmp_path) == ["folder", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


def no_links(*_):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_of_many_writers_of_a_new_file_one_wins(tmp_path, monkeypatch, links):
    if not links:  # as on FAT
        monkeypatch.setattr(os, "link", no_links)
    start, won, lost = threading.Barrier(8), [], []

    def run(text):
        start.wait()
        try:
            write(tmp_path / "out", text, new=True)
            won.append(text)
        except FileExistsError:
            lost.append(text)

    threads = [threading.Thread(target=run, args=(f"{i}" * 100_000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert (tmp_path / "out").read_text() == won[0]
    assert names(tmp_path) == ["out"]


def test_two_writers_that_replace_both_succeed(tmp_path):
    with replacing(tmp_path / "out") as first, replacing(tmp_path / "out") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "out").read_text() == "first"
    assert names(tmp_path) == ["out"]


def test_a_name_that_was_taken_is_given_back_if_the_rename_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(atomic.Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "out", "text", new=True)
    assert names(tmp_path) == []


def test_nothing_is_left_of_a_writer_that_fails(tmp_path):
    def interrupted():
        with replacing(tmp_path / "out") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []
