"""The file to start from: it is the processor, and its comments are the documentation."""

from dataclasses import dataclass, fields, replace

import pytest

from splitdeconv.datafiles import plain_yaml
from splitdeconv.dlp import (
    Processor,
    load_processor,
    load_technology,
    processors,
    simulate,
    technologies,
    template,
)
from splitdeconv.dlp.chip.template import commented, entries
from tests.dlp.tables import networks
from tests.refusals import refused


def loaded(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_processor(path)


@pytest.mark.parametrize("name", processors())
def test_a_template_is_the_processor_it_starts_from(tmp_path, name):
    found, shipped = loaded(tmp_path, template(name)), load_processor(name)
    assert found == replace(shipped, name="my_processor", title=f"Copy of {name}")


def test_a_template_simulates_as_the_processor_it_starts_from(tmp_path):
    table = networks("DCGAN")
    theirs = simulate(table, "pe_array_32x7", skip="WA").drop(columns="processor")
    ours = simulate(table, loaded(tmp_path, template()), skip="WA").drop(columns="processor")
    assert ours.equals(theirs)


def test_origins_of_the_plain_template_do_not_claim_a_source(tmp_path):
    found = loaded(tmp_path, template())
    assert set(found.origins) == set(load_processor("pe_array_32x7").origins)
    assert all(text.startswith("assumed: ") for text in found.origins.values())
    assert (found.name, found.title) == ("my_processor", "My processor")


def test_odd_values_survive(tmp_path):
    odd = replace(
        load_processor("tpu_v5e_like"),
        title='a "quoted": title, # no comment',
        clock_mhz=0.1 + 0.2,
        dram_gb_s=1e-7,
    )
    text = template(replace(odd, origins=odd.origins | {"rows": "no", "cols": "\\ and \u00fc: -"}))
    found = loaded(tmp_path, text)
    assert (found.clock_mhz, found.dram_gb_s) == (odd.clock_mhz, odd.dram_gb_s)
    assert (found.origins["rows"], found.origins["cols"]) == ("no", "\\ and \u00fc: -")


def test_every_key_is_explained_by_the_documentation_of_the_record():
    text, meanings = template(), entries(Processor)
    assert set(meanings) == {field.name for field in fields(Processor)}
    assert list(plain_yaml.load(text, "a template")) == [field.name for field in fields(Processor)]
    comments = " ".join(
        line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")
    )
    assert all(meaning in comments for meaning in meanings.values())
    assert "Clock of the array, in MHz. Expected: a number." in comments
    assert "Expected: 'zero_insertion' or null." in comments
    # Keys that are described together share their comment.
    assert comments.count("while the other half is filled") == 1


def test_meanings_are_read_from_a_docstring():
    @dataclass
    class Record:
        """Something.

        Args:
            one: of a kind: the first
                of two lines.
            two, three: together.

        Example:
            not: an entry.
        """

        one: int
        two: int
        three: int

    assert entries(Record) == {
        "one": "Of a kind: the first of two lines.",
        "two": "Together.",
        "three": "Together.",
    }


def test_what_is_no_processor_is_refused():
    with refused("there is no such processor or file"):
        template("pe_array_33x7")


@pytest.mark.parametrize("name", technologies())
def test_a_technology_survives_as_a_commented_file(tmp_path, name):
    text = commented(load_technology(name), "Energies.")
    (tmp_path / "energies.yaml").write_text(text, encoding="utf-8")
    assert load_technology(tmp_path / "energies.yaml") == load_technology(name)
    assert text.startswith("# Energies.\n")
    assert "# Of moving 64 bits. Expected: a number.\ndram_pj: 1300\n" in text
