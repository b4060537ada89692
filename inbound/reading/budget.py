"""How much of one message is looked at closely. The rest is kept and shown, and counts as new and as seen.

Together they bound the processor time and the memory of one reading, whatever
stands in the message: some two seconds and some tens of megabytes.
"""

MAX_LINES = 20_000
MAX_TAGS = 20_000
MAX_ANNOUNCEMENTS = 2_000  # lines that end as "On Monday, Ann wrote:" does
MAX_REFERENCES = 200_000  # to characters, as `&amp;`
MAX_REMOVED = 2_000  # quotes whose words are looked for elsewhere
MAX_STYLES = 1_000_000  # characters of CSS
MAX_SELECTORS = 10_000


def is_too_long(text: str, html: str | None) -> bool:
    """Whether some of it lies beyond these bounds."""
    if text.count("\n") > MAX_LINES:
        return True
    return html is not None and (html.count("<") > MAX_TAGS or html.count("&") > MAX_REFERENCES)
