"""What goes into a page's scripts."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup


def script(value: Any) -> Markup:
    """Return JSON that may stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
