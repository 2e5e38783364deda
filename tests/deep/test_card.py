"""The page about a training run: every text can be read on what is behind it, in light and in dark."""

import re
from pathlib import Path

import pytest

import rpca_affect.deep

TEMPLATE = (Path(rpca_affect.deep.__file__).parent / "card.html.jinja").read_text(encoding="utf-8")


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def hexadecimal(text):
    return [int(text[k : k + 2], 16) for k in (1, 3, 5)]


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_of_the_page_and_of_every_cell(dark):
    variables = re.findall(r":root \{([^}]*)\}", TEMPLATE)[int(dark)]
    value = dict(re.findall(r"--(\w+): ([^;]+);", variables))
    page = hexadecimal(re.search(r"body \{ background: (#\w+)", TEMPLATE)[1]) if dark else [255, 255, 255]
    tint, step = [int(c) for c in value["base"].split(",")], float(re.search(r"format\(([\d.]+) \* tenth", TEMPLATE)[1])
    for tenth in range(11):
        cell = [c * step * tenth + p * (1 - step * tenth) for c, p in zip(tint, page)]
        assert contrast(hexadecimal(value["ink"]), cell) >= 4.5
    assert contrast(hexadecimal(value["quiet"]), page) >= 4.5
