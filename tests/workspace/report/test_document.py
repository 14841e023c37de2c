"""The page and the PDF hold every claim, and say what they leave out."""

import re
from html import unescape

import pytest

from tools.report import __main__ as program, article, expected as kept, readme, table
from tools.report.document import document, pdf
from tools.report.page import page
from tools.report.tables import Tables

from .conftest import ROOT


@pytest.fixture
def rows(every, tables):
    return table.rows(every, tables, {})


def text_of(html):
    return unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_the_page_has_every_claim_with_its_verdict(rows, tables):
    html = page(document(rows, tables, {}), tables)
    shown = text_of(html)
    for row in rows:
        assert row.claim.claim in shown
        assert row.published in shown
        assert row.ours in shown
        assert row.claim.command in shown
    assert html.count('<strong class="not-testable-here">') == 4
    assert html.count("data:image/png;base64,") == len(article.parts())
    assert "Shows <01_exactness>." in shown
    assert "<01_exactness>" not in html
    assert not re.search(r'(?:src|href)="(?!data:|https:)', html)


def test_the_article_has_the_numbers_of_the_claims(rows, tables):
    text = " ".join(p for part in article.sections(rows, tables) for p in part.text)
    assert "plain SD gives 2.40 to 4.40 times over six networks" in text
    assert "94,730.45 million where the documented network needs 9,000.25" in text
    assert "number to the last digit, 94,730.452992" in text
    assert "{" not in text


def test_what_is_left_out_says_how_to_make_it(every, tables):
    for kind in ("csv", "pdf"):
        (tables.root / "figures" / f"05_speedup.{kind}").unlink()
    rows = table.rows(every, tables, {})
    made = [part for part in article.sections(rows, tables) if "05_pe_array" in part.caption]
    assert [(part.figure, part.text[0][:9]) for part in made] == [("", "Left out:")]
    html = page(document(rows, tables, {}), tables)
    assert html.count("<code>make build/executed/05_pe_array.ipynb</code>") >= 3
    assert html.count("data:image/png;base64,") == len(article.parts()) - 1


def test_a_text_that_names_what_no_claim_has_is_refused(rows, tables, tmp_path):
    path = tmp_path / "article.yaml"
    path.write_text("- {text: ['so much: {dcgan.weight}'], figure: 01_exactness}\n")
    with pytest.raises(ValueError, match="names 'weight', which no claim has: so much"):
        article.sections(rows, tables, path)


def test_the_pdf_is_one_and_the_same_again(rows, tables, tmp_path):
    content = document(rows, tables, {})
    made = pdf(content, tables, tmp_path / "report")
    assert made.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", made)) >= 4
    assert pdf(content, tables, tmp_path / "other") == made
    content["rows"][0]["ours"] = "another number"
    assert pdf(content, tables, tmp_path / "report") != made


def test_both_files_are_written(every, tables, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(kept, "FILE", tmp_path / "expected.json")
    kept.write({})
    assert program.main(["--record"], tables.root) == 0
    assert (tables.root / "build" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "Artifact appendix" in (tables.root / "build" / "report.html").read_text()
    assert capsys.readouterr().out.startswith("build/report.html, build/report.pdf: 22 claims")


def test_the_readme_has_the_table_of_the_recorded_numbers(every):
    made = table.recorded(every, Tables(ROOT), kept.read())
    assert readme.kept(ROOT / "README.md") == readme.section(made), (
        "run python -m tools.report --readme"
    )


def test_the_readme_s_copy_is_put_in_its_place(rows, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"# a\n\n{readme.HEADING}\nstale text\n\n## After\n\nkept\n")
    readme.update(path, rows)
    text = path.read_text()
    assert text.startswith(f"# a\n\n{readme.HEADING}\n\nThe report")
    assert text.endswith("|\n\n## After\n\nkept\n")
    assert "stale" not in text
    assert "| Operations of DCGAN | 109.77 / 111.41 M | 109.77 / 111.41 M | reproduced |" in text
    path.write_text("# a\n")
    with pytest.raises(ValueError, match="has no section"):
        readme.update(path, rows)
