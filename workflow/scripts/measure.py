"""Measure the checkpoints of a run, or a base model, from their folders."""

from elasticity.evaluation.jobs import MeasureJob
from elasticity.evaluation.measurement import Tables, write_tables
from elasticity.evaluation.model_measurement import INPUTS, ModelMeasurement
from elasticity.models.loading import one_thread
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress


def main() -> None:
    """Run the job on the command line."""
    outputs = tuple(ModelMeasurement.schemas)
    with Command(__doc__, MeasureJob, "checkpoints", output=outputs, optional=INPUTS) as command:
        one_thread()
        folders = {size: command.path("checkpoints") / str(size) for size in command.job.checkpoints}
        measurement = ModelMeasurement.of(command, command.job.measurements, next(iter(folders.values())))
        tables: Tables = {name: [] for name in outputs}
        for size, folder in progress(folders.items(), "measure", "checkpoints", command.journal):
            for name, rows in measurement.measure_folder(folder, size).items():
                tables[name] += rows
        write_tables(measurement, tables, {name: path for name in outputs for path in command.paths(name)})


if __name__ == "__main__":  # vLLM starts a process that imports this file
    main()
