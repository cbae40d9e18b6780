"""The report of a study: one page."""

from elasticity.command import Command
from elasticity.report_page import ReportJob, page

with Command(__doc__, ReportJob, "template", "provenance", output="page") as command:
    text = page(command.job, command.path("template"), command.path("provenance"))
    command.path("page").write_text(text)
