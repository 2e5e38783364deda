"""Formulas as MathML, which browsers draw by themselves: pages need no script from elsewhere."""

from typing import Any

from latex2mathml.converter import convert

__all__ = ["setup"]


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}


def _inline(page: Any, node: Any) -> None:
    page.body.append(convert(node.astext()))
    raise _skip()


def _block(page: Any, node: Any) -> None:
    page.body.append(f"<div class='math'>{convert(node.astext(), display='block')}</div>")
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()
