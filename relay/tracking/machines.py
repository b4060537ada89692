"""Who opens and clicks without anybody looking: prefetchers, image proxies, security scanners.

A flag, not a verdict: it says what is known of who asked. Proxies of mail
services load images for their readers, mostly before these look; scanners
follow links before or just after a mail is delivered. Each row names what it
is, and where that is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

# Nobody reads a mail and chooses a link as soon as that; scanners at the far side do.
SOON = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a user agent says of itself, as a pattern; `name` is told in events."""

    name: str
    agent: re.Pattern[str]
    source: str


def _known(name: str, agent: str, source: str) -> Machine:
    return Machine(name, re.compile(agent, re.IGNORECASE), source)


KNOWN = (
    # Proxies of those who show mail.
    _known("apple_privacy", r"\AMozilla/5\.0\Z", "wordtothewise.com/2021/09/apple-mpp"),
    _known("google_proxy", r"GoogleImageProxy|ggpht\.com", "support.google.com/mail/answer/145919"),
    _known(
        "google_prefetch",
        r"Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246",
        "gmass.co/blog/false-opens-in-gmail",
    ),
    _known("yahoo_proxy", r"YahooMailProxy", "help.yahoo.com/kb/SLN28749.html"),
    _known("duckduckgo_proxy", r"DuckDuckGo.*proxy|DuckDuckBot", "duckduckgo.com/duckduckbot"),
    # Gateways that look into links, as far as they say who they are.
    _known(
        "scanner",
        r"barracuda|mimecast|proofpoint|urldefense|cloudmark|symantec|messagelabs|trend ?micro|bitdefender"
        r"|forcepoint|ironport|fireeye|trellix|sophos|zscaler|avanan|check ?point|kaspersky|safelinks"
        r"|Microsoft Office Protocol Discovery",
        "the products' own user agents",
    ),
    # What shows a preview of a link that somebody pasted.
    _known(
        "preview",
        r"facebookexternalhit|facebookcatalog|Slackbot|Slack-ImgProxy|Twitterbot|LinkedInBot|WhatsApp/"
        r"|TelegramBot|SkypeUriPreview|Discordbot|BingPreview|Google-PageRenderer|Iframely|Embedly|vkShare"
        r"|Viber|redditbot",
        "the services' pages on their link previews",
    ),
    _known("crawler", r"bot\b|crawl|spider|slurp|monitor(?:ing)?\b|uptime|scan(?:ner)?\b", "robotstxt.org"),
    _known(
        "headless",
        r"HeadlessChrome|PhantomJS|Puppeteer|Playwright|Selenium",
        "developer.chrome.com/docs/chromium/headless",
    ),
    _known(
        "program",
        r"\A(?:curl|wget|python|aiohttp|httpx|Go-http-client|Java|okhttp|Apache-HttpClient|axios|node|got"
        r"|libwww|ruby|PHP|Guzzle|PostmanRuntime|insomnia|AHC|Amazon CloudFront|HTTPie|Dart|reqwest)\b",
        "the libraries' defaults",
    ),
)
# Browsers say so of a request that nobody made yet.
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def machine_of(
    method: str, headers: Mapping[str, str], since_delivery: timedelta | None, *, is_click: bool
) -> str | None:
    """What kind of machine asked, or None where it may have been a person.

    `since_delivery` is None before the far server took the mail: nobody has it then.
    """
    agent = headers.get("user-agent", "").strip()
    if method == "HEAD":
        return "head"
    if any("prefetch" in (said := headers.get(name, "").lower()) or "preview" in said for name in _AHEAD):
        return "prefetch"
    if not agent:
        return "no_agent"
    for machine in KNOWN:
        if machine.agent.search(agent):
            return machine.name
    if since_delivery is None:
        return "before_delivery"
    return "soon" if is_click and since_delivery < SOON else None
