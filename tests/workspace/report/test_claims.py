"""The declared claims: complete, and refused where they are not."""

import pytest

from tools import runs
from tools.report import article, claims
from tools.report.ours import FUNCTIONS as OURS
from tools.report.published import FUNCTIONS as PUBLISHED

from .conftest import NINE, ROOT


def test_every_claim_names_what_there_is(every):
    names = {run.name for run in runs.read_all(ROOT)}
    for claim in every:
        assert claim.published in PUBLISHED
        assert claim.ours in OURS
        assert claim.run in names or (claim.run == "" and claim.ours == "none")
        assert claim.claim
        assert claim.source
        assert claim.hardware


def test_what_must_be_compared_is(every):
    about = [claim.argument for claim in every if claim.ours in ("counts", "totals")]
    flat = [name for item in about for name in ([item] if isinstance(item, str) else item)]
    assert flat == list(NINE)
    ids = {claim.id for claim in every}
    assert {"speedup_dot_product", "speedup_pe_array", "energy_stored", "energy_generated"} <= ids
    assert {"exact_images", "ssim_sd", "ssim_shi", "ssim_chang"} <= ids
    assert {"edge_tpu", "ncs2", "fcn_engine"} <= ids


def test_the_article_has_about_ten_figures_that_runs_make():
    made = {name for run in runs.read_all(ROOT) for name in run.figures}
    shown = [part["figure"] for part in article.parts()]
    assert set(shown) <= made
    assert 8 <= len(set(shown)) == len(shown) <= 12


GOOD = (
    "- {id: a, claim: c, source: s, published: nothing, ours: none, rule: equal, show: '', why: w,"
    " hardware: h, tolerance: {absolute: 1}, drift: {relative: 1}}\n"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("why: w,", ""), "a: .*missing 1 required"),
        (GOOD.replace("why: w", "why: w, weight: 1"), "a: .*unexpected keyword"),
        (GOOD.replace("equal", "close"), "invalid rule close"),
        (GOOD.replace("{absolute: 1}", "{absolute: 1, relative: 2}"), "tolerance must be relative"),
        (GOOD.replace("{relative: 1}", "{}"), "drift must be relative or absolute"),
        (GOOD * 2, "duplicate ids a"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    path.write_text(GOOD)
    assert [claim.id for claim in claims.read(path)] == ["a"]
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        claims.read(path)
