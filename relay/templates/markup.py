"""MJML made into HTML, and styles put where every reader sees them. Both come with `posthouse[templates]`.

Nothing is fetched or read: includes and linked stylesheets are left alone.
"""

import importlib.util

_MODULES = {"mjml": "mjml", "inline_css": "css_inline"}


class MarkupFault(ValueError):
    """It is no such markup; the text says why."""


def is_installed(feature: str) -> bool:
    """Whether this installation has what `mjml` or `inline_css` needs."""
    return importlib.util.find_spec(_MODULES[feature]) is not None


def html_of_mjml(mjml: str) -> str:
    """The HTML that it stands for; raises MarkupFault, ImportError."""
    from mjml import mjml2html

    try:
        return mjml2html(mjml)
    except ValueError as error:
        raise MarkupFault(str(error)[:300]) from error


def inlined(html: str) -> str:
    """The HTML with its style sheets in its elements; raises MarkupFault, ImportError.

    What only a sheet can say, such as media queries, stays in one.
    """
    from css_inline import CSSInliner, InlineError

    try:
        return CSSInliner(keep_at_rules=True, load_remote_stylesheets=False).inline(html)
    except InlineError as error:
        raise MarkupFault(str(error)[:300]) from error
