"""The elasticity card of a base model, and a page to read it."""

from elasticity.card import CardJob
from elasticity.card_making import card
from elasticity.card_page import card_page
from elasticity.command import Command
from elasticity.paths import unfold

optional = ("tables", "declared")
with Command(
    __doc__, CardJob, "metrics", "provenance", "template", "page", output="card", optional=optional
) as command:
    metrics = unfold(command.paths("metrics"))
    declared = next(iter(command.paths("declared")), None)
    found = card(command.job, command.paths("tables"), metrics, command.path("provenance"), declared)
    command.path("page").write_text(card_page(found, command.path("template")))
    command.path("card").write_text(found.text())
