"""Pages of HTML from templates: the same values give the same bytes, and a missing one is an error."""

from pathlib import Path
from typing import Any

import jinja2


def page(template: Path, **values: Any) -> str:
    """The template with these values in it; text in them is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text()).render(**values)
