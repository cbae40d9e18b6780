"""The report of a study: one page."""

from elasticity.report.contents import ReportJob
from elasticity.report.page import page
from elasticity.runtime.command import Command

with Command(__doc__, ReportJob, "template", "provenance", output="page") as command:
    text = page(command.job, command.path("template"), command.path("provenance"))
    command.path("page").write_text(text)
