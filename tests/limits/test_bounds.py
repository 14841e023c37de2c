"""How much memory a child may use follows the machine or its container."""

import os

import pytest

from splitdeconv.limits import bounds


@pytest.mark.parametrize(
    ("texts", "size"),
    [((), None), (("4096000",), 4096000), (("max", "8192000"), 8192000), (("9" * 30,), None)],
)
def test_the_least_that_is_known_is_what_there_is(monkeypatch, tmp_path, texts, size):
    paths = [tmp_path / f"limit{place}" for place in range(3)]
    for path, text in zip(paths, texts, strict=False):
        path.write_text(text + "\n")
    monkeypatch.setattr(bounds, "_CONTAINER", tuple(map(str, paths)))
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert bounds.machine_memory() == (physical if size is None else size)
