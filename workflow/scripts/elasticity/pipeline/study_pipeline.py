"""The study as one graph: all jobs, their job specs, files and resource requests.

The rules call the methods of its parts with Snakemake's wildcards.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from elasticity.config.study import Study
from elasticity.pipeline.common import Part
from elasticity.pipeline.compression import CompressionJobs
from elasticity.pipeline.data import DataJobs
from elasticity.pipeline.measurements import MeasurementJobs
from elasticity.pipeline.models import ModelJobs
from elasticity.pipeline.realignment import RealignmentJobs
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.reporting.claims import ClaimJobs
from elasticity.pipeline.reporting.figures import FigureJobs
from elasticity.pipeline.reporting.noise import check_noise
from elasticity.pipeline.reporting.published import PublishedJobs
from elasticity.pipeline.reporting.report import ReportJobs
from elasticity.pipeline.reporting.tables import TableJobs
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.pipeline.resistance import ResistanceJobs
from elasticity.pipeline.scores import ScoreModelJobs
from elasticity.pipeline.springs import SpringsJobs

Flag = Callable[[Any], Any]
"""A function that flags an output path of a rule."""


class Pipeline(Part):
    """All parts of the graph of a study, in the order of the data."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.models = ModelJobs(study)
        self.data = DataJobs(self.models)
        self.scores = ScoreModelJobs(study)
        self.rebound = ReboundJobs(self.models, self.scores)
        self.realignment = RealignmentJobs(self.rebound)
        self.resistance = ResistanceJobs(study)
        self.compression = CompressionJobs(self.rebound)
        self.springs = SpringsJobs(self.models, self.rebound)
        self.measurements = MeasurementJobs(self.rebound, self.realignment, self.compression, self.springs)
        self.published = PublishedJobs(study)
        self.claims = ClaimJobs(self.rebound, self.resistance)
        self.requests = ResourceRequests(study)

    @property
    def generation_environment(self) -> str:
        """The name of the conda environment of jobs that generate from saved weights; vLLM needs its own torch."""
        return "vllm" if self.study.engine == "vllm" else "elasticity"

    def flag_of_weights(self, directory: Flag, temp: Flag) -> Flag:
        """The flag of output folders of weights: temporary folders, unless the study keeps checkpoints.

        ``directory`` and ``temp`` are Snakemake's flags.
        """
        return directory if self.study.keep_checkpoints else lambda path: temp(directory(path))

    @cached_property
    def tables(self) -> TableJobs:
        """All tables of the study."""
        return TableJobs(
            self.models,
            self.rebound,
            self.resistance,
            self.compression,
            self.springs,
            self.measurements,
            self.published,
            self.claims,
        )

    @cached_property
    def figures(self) -> FigureJobs:
        """All figures of the study."""
        return FigureJobs(self.tables)

    @cached_property
    def report(self) -> ReportJobs:
        """The jobs that write provenance, cards and the page."""
        return ReportJobs(self.rebound, self.realignment, self.resistance, self.springs, self.tables, self.figures)

    @property
    def targets(self) -> list[str]:
        """The paths of all tables and figures of the study."""
        return [*self.tables.targets(), *self.figures.targets()]

    def check(self) -> None:
        """Raise ``UserError`` if files of the study are missing, or if a model does not fit into the GPUs."""
        self.data.check()
        self.scores.check()
        self.models.check()
        self.requests.check()
        self.published.check()
        if self.study.calibration:
            check_noise(self.study)
