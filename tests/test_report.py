"""The report: one file that needs nothing, escapes what it was given, and says what must not be read."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import rpca_affect as ra
from rpca_affect.report import methods
from rpca_affect.synthetic import make_session

EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def split():
    return ra.decompose(make_session(duration=8, n_events=4, random_state=1).frame, features="gaze,AU_r")


@pytest.fixture(scope="module")
def page(split, tmp_path_factory):
    return Page(split.report(tmp_path_factory.mktemp("report") / "report.html").read_text(encoding="utf-8"))


def test_it_needs_nothing_but_itself(page):
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"} == set()
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(sources) == 5 and all(
        source.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,")) for source in sources
    )
    drawings = [source for source in sources if "svg" in source[:20]]
    assert len(drawings) >= 3, "what is small is drawn as lines"
    for source in drawings:
        drawing = base64.b64decode(source.partition(",")[2]).decode("utf-8")
        assert drawing.rstrip().endswith("</svg>")
        linked = re.findall(r'(?:href|src)="([^"]*)"', drawing)
        assert all(link.startswith(("#", "data:")) for link in linked)
    assert not [attrs for _, attrs in page.tags if any("http" in str(v) for k, v in attrs.items() if k != "content")]


def test_a_narrow_page_names_every_cell_of_an_event(page, split):
    """Narrow screens show a row as a list: every cell carries the heading of its column."""
    labels = [attrs["data-label"] for tag, attrs in page.tags if tag == "td" and "data-label" in attrs]
    assert len(labels) == 8 * len(split.events()) > 0
    assert labels[:8] == [
        "onset (s)",
        "apex",
        "duration (s)",
        "leading feature",
        "peak",
        "peak / noise",
        "energy",
        "features",
    ]
    assert all(attrs.get("class") == "table" for tag, attrs in page.tags if attrs.get("role") == "region")


def test_it_says_the_numbers(page, split):
    summary = split.summary()
    assert f"{summary['rank'][0]} of {summary['features']}" in page.text
    assert f"{summary['density']:.2%}" in page.text and f"{summary['residual']:.2%}" in page.text
    assert summary["status"] in page.text
    for warning in (*summary["warnings"], *summary["notices"]):
        assert warning in page.text
    for name, version in summary["versions"].items():
        assert name in page.text and version in page.text
    leading = split.events().sort_values("energy").iloc[-1]
    assert leading.leading_feature in page.text and f"{leading.peak_sigma:+.1f}" in page.text


def test_names_are_escaped(tmp_path):
    values = np.random.default_rng(0).normal(0, 0.1, (80, 4)) + np.outer(np.sin(np.arange(80) / 9), np.ones(4))
    values[30:34, 0] += 3.0
    path = tmp_path / "a&b'<i>.csv"
    pd.DataFrame(values, columns=[EVIL, '" onload="x', "<b>", "&amp;"]).to_csv(path, index=False)
    text = ra.decompose(path).report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert EVIL not in text and "<i>" not in text and "<b>alert" not in text
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert EVIL in page.text and path.name in page.text
    assert not any("onload" in attrs for _, attrs in page.tags)


def test_a_meaningless_split_comes_first(tmp_path):
    bad = ra.decompose(np.random.default_rng(0).standard_normal((60, 30)), noise=None, solver="ialm")
    text = Page(bad.report(tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "Do not interpret this split. Meaningless split: rank" in text
    assert text.index("Do not interpret") < text.index("In numbers")
    assert "must not be reported" in text


def test_methods_follow_what_was_done(split):
    noisy = methods(split.summary())
    assert "stable principal component pursuit" in noisy["text"] and "2 standard deviations" in noisy["text"]
    assert any(text.startswith("Zhou, Z.") for text in noisy["references"])
    plain = methods(ra.decompose(np.eye(40, 6).cumsum(axis=0), noise=None, solver="ialm").summary())
    assert "stable" not in plain["text"] and any("Lin, Z." in text for text in plain["references"])
    given = methods(ra.decompose(np.eye(40, 6).cumsum(axis=0), solver="godec", rank=1, cardinality=3).summary())
    assert "GoDec" in given["text"] and any("Tao" in text for text in given["references"])


def test_no_events_no_time_one_frame(tmp_path):
    for values in (np.ones((1, 3)), np.arange(12.0).reshape(6, 2)):
        text = Page(ra.decompose(values).report(tmp_path / "r.html").read_text(encoding="utf-8")).text
        assert "Methods paragraph" in text


def test_same_split_same_report(split, page, tmp_path):
    again = Page(split.report(tmp_path / "report.html").read_text(encoding="utf-8"))
    assert (again.tags, again.words) == (page.tags, page.words)


def test_a_failed_report_leaves_no_half_file(split, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("rpca_affect.report.render", lambda _: "new")
    path = tmp_path / "report.html"
    path.write_text("old")
    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk full"):
        broken.setattr("os.replace", full)
        split.report(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    assert split.report(path).read_text() == "new"
