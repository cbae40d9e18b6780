"""The measures of an experiment: one row a seed in the table, means and intervals over seeds on the page."""

import pandas as pd

from elasticity.analysis.jobs import MeasuresJob
from elasticity.analysis.measures_table import in_order, measures_summary, rebound_measures, resistance_measures
from elasticity.analysis.tables import read_csv, write_csv, write_html
from elasticity.runtime.command import Command

SOURCES = ("rebound-seeds", "rebound-table", "resistance-seeds")

with Command(__doc__, MeasuresJob, "html", output="table", optional=SOURCES) as command:
    parts = []
    if command.paths("rebound-seeds"):
        base_scores = read_csv(command.path("rebound-table")).groupby("base")["base_score"].first()
        parts.append(rebound_measures(read_csv(command.path("rebound-seeds")), base_scores))
    if command.paths("resistance-seeds"):
        parts.append(resistance_measures(read_csv(command.path("resistance-seeds"))))
    table = in_order(pd.concat(parts), command.job.bases)
    write_csv(table, command.path("table"))
    write_html(measures_summary(table), command.path("html"), ".3g")
