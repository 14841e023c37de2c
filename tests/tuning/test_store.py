"""Costs on disk: found again, apart by what they depend on, never trusted if damaged."""

import json
import os
from dataclasses import replace

import pytest

from splitdeconv.convert.variants.variant import NATIVE, Variant
from splitdeconv.core.geometry import Axis
from splitdeconv.formats.site import Site
from splitdeconv.tuning import store
from splitdeconv.tuning.oracle import Cost, Subject
from tests.tuning.models import Told

SPLIT = Variant("split", "concat")
COSTS = {NATIVE: Cost(2.0, 1.0, 1.0, 1.0), SPLIT: Cost.missing("it is refused")}
KILLED = "the process was ended by signal 9 (Killed), as the system does when memory runs out"


@pytest.fixture
def subject(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path / "costs"))
    files = {NATIVE: tmp_path / "native", SPLIT: tmp_path / "split"}
    for path in files.values():
        path.write_bytes(path.name.encode())
    site = Site("up", "ConvTranspose", (Axis(5, 4, 2, 1, 1, 0),), 1, 3, 4, "float32")
    return Subject(site, (NATIVE, SPLIT), files, {})


def test_costs_are_found_again(subject):
    store.Store(Told({})).write(subject, COSTS)
    assert store.Store(Told({})).read(subject) == COSTS
    assert store.Store(Told({}), fresh=True).read(subject) is None


@pytest.mark.parametrize("variant", [NATIVE, SPLIT])
@pytest.mark.parametrize(
    "cost",
    [
        Cost.missing(KILLED),
        Cost.missing("took longer than 63 s"),
        Cost.missing("RuntimeError: std::bad_alloc"),
        Cost(3.0, 1.5, reason=KILLED),  # it was lost before it was timed for longer
    ],
)
def test_what_the_oracle_did_not_answer_is_not_kept(subject, variant, cost):
    store.Store(Told({})).write(subject, COSTS | {variant: cost})
    assert store.Store(Told({})).read(subject) is None


def test_a_refusal_that_is_remembered_is_noted(subject):
    store.Store(Told({})).write(subject, COSTS)
    kept = store.Store(Told({}))
    assert kept.read(subject) == COSTS
    assert len(kept.notes) == 1
    assert "--fresh asks again" in kept.notes[0]
    # Not where the layer has a cost in another variant, or is itself the reason.
    quiet = store.Store(Told({}))
    store.Store(Told({})).write(subject, COSTS | {SPLIT: Cost(1.0, 2.0, 2.0, 2.0)})
    quiet.read(subject)
    unmade = replace(subject, reasons={SPLIT: "no such form"})
    store.Store(Told({})).write(unmade, COSTS)
    quiet.read(unmade)
    assert quiet.notes == []


def test_other_facts_files_or_channels_are_other_costs(subject, monkeypatch):
    store.Store(Told({})).write(subject, COSTS)
    channels = replace(subject, site=replace(subject.site, out_channels=5))
    assert store.Store(Told({})).read(channels) is None
    other = Told({})
    monkeypatch.setattr(other, "facts", lambda: {"told": "by another test"})
    assert store.Store(other).read(subject) is None
    with monkeypatch.context() as later:
        later.setattr(store, "version", lambda: "9.9")
        assert store.Store(Told({})).read(subject) is None
    assert store.Store(Told({})).read(subject) == COSTS
    subject.files[SPLIT].write_bytes(b"changed")
    assert store.Store(Told({})).read(subject) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 99_999,
        '{"costs": 1}',
        '{"costs": {"native": {"amount": -1}}}',
        '{"costs": {}}',
    ],
)
def test_a_damaged_file_is_ignored_with_a_note(subject, content):
    kept = store.Store(Told({}))
    kept.write(subject, COSTS)
    (path,) = store.folder().iterdir()
    path.write_text(content)
    assert kept.read(subject) is None
    assert "damaged" in kept.notes[0]


def test_nan_is_damage(subject):
    kept = store.Store(Told({}))
    kept.write(subject, COSTS)
    (path,) = store.folder().iterdir()
    rows = json.loads(path.read_text())
    rows["costs"]["native"]["gain"] = float("nan")
    path.write_text(json.dumps(rows))
    assert kept.read(subject) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"split concat": {"amount": 1.0, "gain": float("inf")}},
        {"split concat": {"amount": None, "gain": 2.0, "reason": "it hung"}},
        {"split concat": {"amount": 1.0, "low": 0.5, "high": 2.0}},
        {"split concat": {"amount": 1.0, "gain": 2.0, "low": 1.5}},
        {"split sideways": {"amount": 1.0, "gain": 2.0}},
    ],
)
def test_costs_that_no_oracle_gives_are_damage(subject, changed):
    kept = store.Store(Told({}))
    kept.write(subject, COSTS)
    (path,) = store.folder().iterdir()
    rows = json.loads(path.read_text())
    rows["costs"] |= changed
    path.write_text(json.dumps(rows))
    assert kept.read(subject) is None
    assert "damaged" in kept.notes[0]


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-has-this-name/costs"])
def test_a_folder_of_an_odd_name_stops_nothing(subject, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPLITDECONV_COSTS", name)
    kept = store.Store(Told({}))
    assert kept.read(subject) is None
    kept.write(subject, COSTS)
    assert len(kept.notes) == (len(name) > 255)


def test_a_folder_that_cannot_be_written_to_is_noted_once(subject, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPLITDECONV_COSTS", str(tmp_path / "file" / "costs"))
    kept = store.Store(Told({}))
    kept.write(subject, COSTS)
    kept.write(subject, COSTS)
    assert len(kept.notes) == 1
    assert "costs are not kept" in kept.notes[0]


def test_by_default_costs_are_in_the_cache_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("SPLITDECONV_COSTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert os.fspath(store.folder()) == str(tmp_path / "splitdeconv" / "costs")
