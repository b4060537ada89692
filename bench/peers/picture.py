"""The loads as bars, written as SVG by hand; it is readable on light and on dark pages."""

from collections.abc import Callable
from html import escape

from bench.peers.cases import Result
from bench.peers.figures import Figures

_WIDTH, _MARGIN, _BAR, _GAP = 920, 20, 13, 16
_PANEL = (_WIDTH - 3 * _MARGIN) / 2
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.s0 { fill: #0a7d6c } .s1 { fill: #c2570c } .s2 { fill: #6b7a90 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .s0 { fill: #35c9b1 } .s1 { fill: #f0883e } .s2 { fill: #8fa1bb }
}"""


def draw(figures: Figures) -> str:
    """Delivered a second on the left, CPU seconds for 1,000 messages on the right, a group for each load."""
    cases = list(figures.loads)
    group = _BAR * (len(figures.servers) + 1) + _GAP
    height = 90 + group * len(cases)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Messages delivered a second and CPU seconds for 1,000 messages, by load and server">',
        f"<style>{_STYLE}</style>",
        *_legend(figures.servers),
        *_panel(figures, _MARGIN, "Delivered a second (more is better)", lambda one: one.delivered, ".0f"),
        *_panel(
            figures,
            2 * _MARGIN + _PANEL,
            "CPU seconds for 1,000 messages (less is better)",
            lambda one: one.cpu,
            ".2f",
        ),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _legend(servers: list[str]) -> list[str]:
    parts = []
    for at, server in enumerate(servers):
        x = _MARGIN + at * 190
        parts.append(f'<rect class="s{at}" x="{x}" y="14" width="12" height="12" rx="2"/>')
        parts.append(f'<text x="{x + 18}" y="24">{escape(server)}</text>')
    return parts


def _panel(
    figures: Figures, left: float, title: str, read: Callable[[Result], float], form: str
) -> list[str]:
    values = {
        (case, server): figures.middle(case, server, read)
        for case in figures.loads
        for server in figures.servers
    }
    scale = (_PANEL - 60) / max((value for value in values.values() if value), default=1.0)
    parts = [f'<text class="title" x="{left:.0f}" y="56">{escape(title)}</text>']
    y = 76.0
    for case in figures.loads:
        parts.append(f'<text x="{left:.0f}" y="{y + 8:.0f}">{escape(case.name)}</text>')
        y += _BAR
        for at, server in enumerate(figures.servers):
            parts += _bar(at, left, y, values[case, server], scale, form)
            y += _BAR
        y += _GAP
    return parts


def _bar(at: int, left: float, y: float, value: float | None, scale: float, form: str) -> list[str]:
    width = (value or 0.0) * scale
    shown = "failed" if value is None else format(value, form)
    return [
        f'<rect class="s{at}" x="{left:.0f}" y="{y:.0f}" width="{width:.1f}" height="{_BAR - 2}" rx="2"/>',
        f'<text x="{left + width + 5:.1f}" y="{y + _BAR - 3:.0f}">{shown}</text>',
    ]
