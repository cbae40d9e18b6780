"""Measure the cross-entropies of a slice before and after tuning, from its checkpoints."""

from elasticity.core.tables import read_rows
from elasticity.evaluation.cross_entropies import CrossEntropyMeasurement
from elasticity.evaluation.jobs import CrossEntropyJob
from elasticity.evaluation.measurement import measure_folders, write_tables
from elasticity.evaluation.schemas import CHOSEN, SLICE_RESPONSES
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.runtime.command import Command

FILES = ("slices", "tuned", "questions")

with Command(__doc__, CrossEntropyJob, *FILES, output="cross-entropies", optional=("chosen",)) as command:
    one_thread()
    job = command.job
    questions = read_rows(command.path("questions"), SLICE_RESPONSES)
    chosen = [row for path in command.paths("chosen") for row in read_rows(path, CHOSEN)]
    measurement = CrossEntropyMeasurement(job.cross_entropies, command.path("slices"), questions, chosen)
    tables = measurement.measure(load_for_measuring(measurement.start_folder), 0)
    for name, rows in measure_folders(measurement, command.path("tuned"), [job.checkpoint]).items():
        tables[name] += rows
    write_tables(measurement, tables, {"cross_entropies": command.path("cross_entropies")})
