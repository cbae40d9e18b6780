"""Captions: reStructuredText with placeholders, as Snakemake's report takes it, into HTML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from docutils.core import publish_parts
from docutils.utils import SystemMessage

from elasticity.errors import UserError

WARNING = 2
"""The docutils level from which on a text is not accepted."""

SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": WARNING,
    "report_level": WARNING,
    "warning_stream": False,
}


def rendered(path: Path, **values: Mapping[str, Any]) -> str:
    """A caption as HTML.

    ``values`` are what it quotes of ``snakemake``: ``wildcards={"experiment": ...}`` and ``params={...}`` for
    ``snakemake.wildcards.experiment``, ``config={...}`` for ``snakemake.config["name"]``. Raises ``UserError`` if a
    value is missing or the text is not reStructuredText.
    """
    try:
        # To jinja x.name and x["name"] are the same.
        text = jinja2.Template(path.read_text(), undefined=jinja2.StrictUndefined).render(snakemake=values)
        parts = publish_parts(text, writer="html5", settings_overrides=SETTINGS)
    except (jinja2.TemplateError, SystemMessage) as error:
        raise UserError(f"caption {path}: {error}") from None
    return str(parts["fragment"])
