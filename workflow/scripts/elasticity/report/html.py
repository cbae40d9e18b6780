"""Pages of HTML from templates: equal values give equal bytes, and a missing value is an error."""

from pathlib import Path
from typing import Any

import jinja2


def page(template: Path, **values: Any) -> str:
    """The template filled in with these values; their text is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text()).render(**values)
