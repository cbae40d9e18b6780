"""The elasticity card of a base model, and a page to read it."""

from elasticity.core.path_patterns import unfold
from elasticity.report.card import card
from elasticity.report.card_page import card_page
from elasticity.report.card_schema import CardJob
from elasticity.runtime.command import Command

optional = ("tables", "declared")
with Command(
    __doc__, CardJob, "metrics", "provenance", "template", "page", output="card", optional=optional
) as command:
    metrics = unfold(command.paths("metrics"))
    declared = next(iter(command.paths("declared")), None)
    found = card(command.job, command.paths("tables"), metrics, command.path("provenance"), declared)
    command.path("page").write_text(card_page(found, command.path("template")))
    command.path("card").write_text(found.text())
