"""Points of a front are those that none of the strongest points beats."""

import numpy as np
import pytest

from splitdeconv.dlp.traffic import tiling


@pytest.mark.parametrize("cells", [2**20, 700, 1])
@pytest.mark.parametrize("points", [1, 5, 64, 65, 400])
def test_a_front_keeps_what_none_beats_and_no_point_that_a_strong_one_beats(
    points, cells, monkeypatch
):
    monkeypatch.setattr(tiling, "_MOST_CELLS", cells)
    columns = np.random.default_rng(points).integers(0, 30, (3, points))
    found = set(tiling.front(*columns).tolist())
    rows = columns.T

    def beaten(row, by):
        return any((other <= row).all() and (other < row).any() for other in by)

    unbeaten = {place for place, row in enumerate(rows) if not beaten(row, rows)}
    assert unbeaten <= found
    volume = np.log1p(columns).sum(axis=0)
    # Of points of equal volume any may be among the strongest.
    last = np.sort(volume)[min(64, points) - 1]
    strong = rows[volume < last]
    assert not any(beaten(rows[place], strong) for place in found)
    assert points < 400 or len(found) < points / 3
