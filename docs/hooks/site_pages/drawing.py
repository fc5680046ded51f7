"""SVG pictures that are good to read on light and on dark, as images and inside a page.

As an image a picture follows the reader's system. Inside a page of the site it takes the colours
of the page's scheme: `--md-...` and `--htmrun-...` are the site's, see docs/assets/site.css.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# Ink, quiet ink, faint lines, panel; then the arms. Each pair: on light, on dark. The arms' are
# Okabe and Ito's, lightened for dark, as all colour vision tells them apart.
COLOURS = {
    "ink": ("#1f2328", "#e6e6e6"),
    "quiet": ("#59636e", "#a5adba"),
    "faint": ("#d0d7de", "#454b57"),
    "online": ("#0072b2", "#56b4e9"),
    "minibatch": ("#d55e00", "#ff9b54"),
    "epoch_boost": ("#00835f", "#3fd0a4"),
    "growing": ("#a3508a", "#e39bc8"),
}
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


class Drawing:
    """A picture that is added to; `text()` is the SVG."""

    def __init__(self, width: int, height: int, title: str, about: str) -> None:
        """`title` and `about` are what is read aloud in its place."""
        self.width, self.height = width, height
        self._parts = [f"<title>{escape(title)}</title>", f"<desc>{escape(about)}</desc>"]

    def line(self, points: Iterable[tuple[float, float]], colour: str, width: float = 2.0) -> None:
        """Draw a line through `points`."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline class="s-{colour}" points="{path}" fill="none" stroke-width="{width:g}" '
            'stroke-linejoin="round"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Draw a filled pale bar with round corners."""
        self._parts.append(
            f'<rect class="f-{colour}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="5" fill-opacity=".22"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str = "quiet") -> None:
        """Draw the outline of a box with round corners."""
        self._parts.append(
            f'<rect class="s-{colour}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="8" fill="none" stroke-width="1.5"/>'
        )

    def dot(self, x: float, y: float, radius: float, colour: str, filled: bool = True) -> None:
        """Draw a dot, or a ring."""
        look = f'class="f-{colour}"' if filled else f'class="s-{colour}" fill="none"'
        self._parts.append(
            f'<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" stroke-width="1.8"/>'
        )

    def arrow(self, points: Sequence[tuple[float, float]], colour: str = "quiet") -> None:
        """Draw a line that ends in an arrow head; its last part is level or upright."""
        (x0, y0), (x, y) = points[-2:]
        across, down = (x > x0) - (x < x0), (y > y0) - (y < y0)
        self.line([*points[:-1], (x - 6 * across, y - 6 * down)], colour, 1.5)
        corners = [(x, y)] + [
            (x - 9 * across + side * 4.5 * down, y - 9 * down + side * 4.5 * across)
            for side in (-1, 1)
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self._parts.append(f'<polygon class="f-{colour}" points="{path}"/>')

    def write(
        self, x: float, y: float, text: str, colour: str = "ink", size: int = 14,
        anchor: str = "start", bold: bool = False,
    ) -> None:  # fmt: skip
        """Write a line of text with its baseline at `y`."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text class="f-{colour}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def text(self) -> str:
        """Return the SVG."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" class="htmrun-drawn" '
            f'style="{_FONT}">'
        )
        return "\n".join([head, f"<style>{_style()}</style>", *self._parts, "</svg>"]) + "\n"


def _style() -> str:
    light, dark, rules = [], [], []
    for name, (on_light, on_dark) in COLOURS.items():
        light.append(f"--l-{name}:{on_light}")
        dark.append(f"--l-{name}:{on_dark}")
        value = f"var(--htmrun-{name},var(--l-{name}))"
        rules.append(f".htmrun-drawn .f-{name}{{fill:{value}}}")
        rules.append(f".htmrun-drawn .s-{name}{{stroke:{value}}}")
    return (
        f".htmrun-drawn{{{';'.join(light)}}}"
        f"@media (prefers-color-scheme:dark){{.htmrun-drawn{{{';'.join(dark)}}}}}" + "".join(rules)
    )


def site_colours() -> str:
    """Return the CSS that gives pictures inside a page the colours of its scheme."""
    schemes = []
    for place, scheme in enumerate(("default", "slate")):
        values = ";".join(f"--htmrun-{name}:{pair[place]}" for name, pair in COLOURS.items())
        schemes.append(f'[data-md-color-scheme="{scheme}"]{{{values}}}')
    return "\n".join(schemes) + "\n"
