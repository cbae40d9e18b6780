"""The report in the graph: provenance, the elasticity cards, and the page."""

from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.hardware import Hardware
from elasticity.pipeline.common import Part, Wildcards, to_json
from elasticity.pipeline.realignment import RealignmentJobs
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.reporting.figures import FigureJobs
from elasticity.pipeline.reporting.tables import TableJobs
from elasticity.pipeline.resistance import ResistanceJobs
from elasticity.pipeline.springs import SpringsJobs
from elasticity.report.card_schema import CardJob
from elasticity.report.contents import ItemSpec, ReportJob, figure_item, record_item, table_items, words_digest
from elasticity.report.provenance import ProvenanceJob

EXPERIMENT_TABLES = ("measures", "divergence", "compression", "springs", "text-statistics")
"""The tables of an experiment that a card is made of."""


class ReportJobs(Part):
    """The jobs that write provenance, a card for each base model, and the page."""

    def __init__(
        self,
        rebound: ReboundJobs,
        realignment: RealignmentJobs,
        resistance: ResistanceJobs,
        springs: SpringsJobs,
        tables: TableJobs,
        figures: FigureJobs,
    ) -> None:
        super().__init__(rebound.study)
        self.rebound, self.realignment, self.resistance, self.springs = rebound, realignment, resistance, springs
        self.tables, self.figures = tables, figures
        self.provenance = f"{self.results}/provenance/provenance.json"

    def provenance_job(self, _: Wildcards) -> str:
        """Record the study without its hardware, which changes no result and is in the metrics of each job."""
        return to_json(ProvenanceJob(study=self.study.model_copy(update={"hardware": Hardware()})))

    # Cards

    def _experiments(self) -> list[tuple[str, Rebound | Resistance]]:
        return [*self.study.rebound.items(), *self.study.resistance.items()]

    def cards(self) -> list[str]:
        """The paths of the cards, one for each base model of an experiment."""
        bases = dict.fromkeys(base for _, experiment in self._experiments() for base in experiment.bases)
        return [f"{self.results}/cards/{base}.json" for base in bases]

    def card_job(self, wildcards: Wildcards) -> str:
        """Write the card of a base model."""
        study, base = self.study, wildcards.base
        job = CardJob(
            study=study.name,
            base=base,
            model=study.models[study.bases[base][0]],
            seeds=study.seeds,
            rebound={name: it for name, it in study.rebound.items() if base in it.bases},
            resistance={name: it for name, it in study.resistance.items() if base in it.bases},
        )
        return to_json(job)

    def card_tables(self, wildcards: Wildcards) -> list[str]:
        """The tables that the study makes of a base model's experiments and tasks."""
        own = [(name, it.task) for name, it in self._experiments() if wildcards.base in it.bases]
        names = [f"{kind}-{name}" for name, _ in own for kind in EXPERIMENT_TABLES]
        names += [f"bits-per-byte-{task}" for _, task in own]
        files = (f"{self.results}/tables/{name}.csv" for name in (*dict.fromkeys(names), "verdicts"))
        made = set(self.tables.targets())
        return [file for file in files if file in made]

    def declared_claims(self, _: Wildcards) -> list[str]:
        """The record of the claims at the time when models were trained, if there are claims."""
        return self.tables["verdicts"].paths("declared")

    def card_metrics(self, wildcards: Wildcards) -> list[str]:
        """The metrics of the base model and of every training job that starts from it."""
        base = wildcards.base
        folders = [f"{self.results}/models/{self.study.bases[base][0]}"]
        for stage in sorted(self.rebound.alignment_sizes):
            if stage.base == base:
                folders += [self.rebound.alignment_run(stage, sizes) for sizes in self.rebound.alignment_runs(stage)]
        for inverse, sizes in self.rebound.inverse_jobs():
            if inverse.alignment.base == base:
                folders.append(self.rebound.inverse_run(inverse, sizes))
        for realignment, sizes in self.realignment.jobs():
            if realignment.inverse.alignment.base == base:
                folders.append(self.realignment.run(realignment, sizes))
        folders += [self.springs.joint_run(*run) for run in self.springs.joint_runs() if run[0].alignment.base == base]
        for name, experiment in self.study.resistance.items():
            if base in experiment.bases:
                folders += self.resistance.training_folders(name, base)
        return [f"{folder}/metrics.json" for folder in dict.fromkeys(folders)]  # experiments may share slices

    # Page

    @property
    def _scored_tasks(self) -> list[str]:
        return sorted({it.task for it in self.study.rebound.values() if self.rebound.is_scored(it)})

    def inputs(self, _: Wildcards) -> list[str]:
        """All files that the page shows or embeds."""
        return [
            *self.tables.targets(),
            *self.figures.targets(),
            *(f"{self.results}/{task}/score-model/quality.json" for task in self._scored_tasks),
            *(f"{self.results}/{task}/examples.json" for task in self.study.tasks),
            *self.cards(),
            self.provenance,
        ]

    def page_job(self, _: Wildcards) -> str:
        """Write the page."""
        items = tuple(self._items())
        job = ReportJob(study=self.study.name, results=self.results, items=items, words=words_digest(items))
        return to_json(job)

    def _items(self) -> list[ItemSpec]:
        found: list[ItemSpec] = []
        for figure in self.figures:
            for experiment, base in figure.made_for:
                where = {"experiment": experiment, "base": base}
                wildcards = {name: value for name, value in where.items() if value is not None}
                found.append(figure_item(figure.name, self.results, numbers=self._numbers(figure.name), **wildcards))
        for table in self.tables:
            for name in table.made_for:
                found += table_items(table.name, self.results, **({table.of: name} if table.of else {}))
        folder = f"{self.results}/{{}}/score-model/quality.json"
        found += [record_item("score-model", (folder.format(task),), task=task) for task in self._scored_tasks]
        folder = f"{self.results}/{{}}/examples.json"
        found += [record_item("examples", (folder.format(task),), task=task) for task in sorted(self.study.tasks)]
        for card in self.cards():
            base = card.rpartition("/")[2].removesuffix(".json")
            found.append(record_item("card", (card, card.replace(".json", ".html")), base=base))
        return [*found, record_item("provenance", (self.provenance,))]

    def _numbers(self, figure: str) -> dict[str, float]:
        """The numbers that the caption of a figure quotes."""
        if figure == "theory":
            return {"draws": self.tables.theory.draws}
        return self.tables.calibration.settings.model_dump(exclude_none=True) if figure == "calibration" else {}
