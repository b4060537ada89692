"""What a footer says in HTML and in text."""

from relay.tracking.footers import Footer, html_footer, text_footer

PAGE = "https://l/t/u/A"


def test_a_footer_of_text_is_escaped_in_html() -> None:
    footer = Footer(text="Shop & Sons <Ltd>", postal_address="1 High St\nSpringfield")
    shown = html_footer(footer, PAGE)
    assert "Shop &amp; Sons &lt;Ltd&gt;<br>1 High St<br>Springfield<br>" in shown
    assert f'<a href="{PAGE}">' in shown
    assert text_footer("Hi\n", footer, PAGE) == (
        f"Hi\n\nShop & Sons <Ltd>\n1 High St\nSpringfield\nUnsubscribe: {PAGE}\n"
    )


def test_html_stands_as_it_was_given_and_the_address_below_it() -> None:
    footer = Footer(html="<hr><b>Shop</b>", text="Shop", postal_address="1 <High> St")
    shown = html_footer(footer, None)
    assert shown.startswith("<hr><b>Shop</b><div ")
    assert shown.endswith(">1 &lt;High&gt; St</div>")
    assert html_footer(Footer(html="<b>Shop</b>"), None) == "<b>Shop</b>"
    assert text_footer("Hi", footer, None) == "Hi\n\nShop\n1 <High> St\n"


def test_no_footer_is_nothing() -> None:
    assert (html_footer(Footer(), None), text_footer("Hi\n", Footer(), None)) == ("", "Hi\n")
    assert not Footer()
