"""What Sphinx writes otherwise than by itself: formulas as MathML, and headings' anchors as JupyterLab makes them.

Browsers draw MathML without a script: also with JavaScript off, in print, and with nothing to fetch.
"""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def anchor(title: str) -> str:
    """Return what links to a heading end in."""
    return title.replace(" ", "-")


def inline(page: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    page.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(page: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own; one that is wider than the page scrolls, from the keyboard too."""
    page.body.append(f'<div class="math" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
