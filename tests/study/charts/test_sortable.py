"""The table holds every value, in the order it came in, and what it is sorted by."""

import re
from html.parser import HTMLParser

import pandas as pd

from splitdeconv.study.charts.sortable import CLASS, sortable

TABLE = pd.DataFrame(
    {
        "net<work>": ["b", "a & c", "d"],
        "gain": [1.23456, None, 0.5],
        "layers": pd.array([12345, None, 3], "Int64"),
    }
)


class Cells(HTMLParser):
    """The texts of a table's cells, and the keys of those that have one."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.keys, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag in ("th", "td"):
            self.texts.append("")
        if tag == "td":
            self.keys.append(dict(attributes)["data-key"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if {"th", "td"} & set(self.open):
            self.texts[-1] += text


def test_every_value_is_shown_and_has_a_key_to_sort_by():
    cells = Cells(sortable(TABLE, "All of them")._repr_html_())
    assert cells.open == []
    assert cells.texts[:3] == ["net<work>", "gain", "layers"]
    assert cells.texts[3:] == ["b", "1.23", "12345", "a & c", "", "", "d", "0.5", "3"]
    assert cells.keys == ["b", "1.23456", "12345", "a & c", "", "", "d", "0.5", "3"]


def test_heads_are_buttons_that_sort_without_anything_from_elsewhere():
    html = sortable(TABLE, "One <and> all", digits=2, height="9rem").html
    assert html.count("<button") == html.count("onclick=") == len(TABLE.columns)
    assert re.search(rf'^<div class="{CLASS}" style="max-height:9rem', html)
    assert "<caption>One &lt;and&gt; all</caption>" in html
    assert "http" not in html
    assert "1.2<" in html
