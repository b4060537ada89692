"""MJML becomes HTML, styles go into elements, and nothing is fetched on the way."""

import sys
from pathlib import Path

import pytest

from relay.templates import markup
from relay.templates.questions import Render, Rendered, Source
from relay.templates.tasks import run

MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ name }}</mj-text></mj-column></mj-section>"
    "</mj-body></mjml>"
)


def fill(source: Source) -> Rendered:
    return run(Render(source, {"name": "<Ann>"}))


def test_mjml_is_filled_in_and_becomes_html() -> None:
    html = fill(Source(mjml=MJML)).html or ""
    assert html.startswith("<!doctype html>")
    assert "Hi &lt;Ann&gt;" in html
    assert "mj-text" not in html


def test_a_layout_of_mjml_stands_around_mjml() -> None:
    layout = Source(mjml="<mjml><mj-body>{{ content }}</mj-body></mjml>")
    part = "<mj-section><mj-column><mj-text>Hi {{ name }}</mj-text></mj-column></mj-section>"
    assert "Hi &lt;Ann&gt;" in (fill(Source(mjml=part, layout=layout)).html or "")


@pytest.mark.parametrize("source", ["no mjml", "<mjml><mj-body>", "<mjml><mj-nope></mj-text></mjml>"])
def test_what_is_no_mjml_is_said(source: str) -> None:
    done = fill(Source(mjml=source))
    assert (done.problem, done.where) == ("fault", "mjml")


def test_styles_go_into_their_elements_and_the_rest_stays() -> None:
    html = (
        "<html><head><style>p { color: red } @media print { p { color: black } }</style></head>"
        "<body><!--[if mso]><p>old</p><![endif]--><p>{{ name }}</p></body></html>"
    )
    done = fill(Source(html=html, inline_css=True)).html or ""
    assert '<p style="color: red;">&lt;Ann&gt;</p>' in done
    assert "@media print" in done
    assert "<!--[if mso]><p>old</p><![endif]-->" in done


def test_no_file_and_no_server_is_asked(tmp_path: Path) -> None:
    secret = tmp_path / "secret.css"
    secret.write_text("p { content: 'hush' }")
    for place in (secret.as_uri(), str(secret), "http://127.0.0.1:9/x.css"):
        html = f'<link rel="stylesheet" href="{place}"><p>x</p>'
        assert "hush" not in (fill(Source(html=html, inline_css=True)).html or "hush")
        done = fill(Source(mjml=f'<mjml><mj-body><mj-include path="{place}"/></mj-body></mjml>'))
        assert done.problem == "fault"


def test_an_installation_without_the_extra_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for feature, module, source in (
        ("mjml", "mjml", Source(mjml=MJML)),
        ("inline_css", "css_inline", Source(html="<p>", inline_css=True)),
    ):
        assert markup.is_installed(feature)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)  # as where nobody has installed it
            assert not markup.is_installed(feature)
            done = fill(source)
        assert (done.problem, done.where) == ("not_installed", feature)
