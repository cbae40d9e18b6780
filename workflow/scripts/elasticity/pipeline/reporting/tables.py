"""Tables in the graph: those that a study makes, their input files and their job specs."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from elasticity.analysis.jobs import (
    ArithmeticCodingTableJob,
    ChecksJob,
    ChoicesJob,
    MeasuresJob,
    RealignmentTableJob,
    ResistanceTableJob,
    ScoreModelTableJob,
)
from elasticity.analysis.table import find_table, table_names
from elasticity.config.compression import Theory
from elasticity.config.experiments import Rebound
from elasticity.config.training import chooses
from elasticity.pipeline.common import Part, Wildcards, as_input, to_json
from elasticity.pipeline.compression import CompressionJobs
from elasticity.pipeline.measurements import MeasurementJobs
from elasticity.pipeline.models import ModelJobs
from elasticity.pipeline.rebound import ReboundJobs
from elasticity.pipeline.reporting.calibration import CalibrationJobs
from elasticity.pipeline.reporting.claims import ClaimJobs
from elasticity.pipeline.reporting.noise import NoiseJobs, noise_file
from elasticity.pipeline.reporting.published import PAPER, PublishedJobs
from elasticity.pipeline.reporting.table_rule import Files, TableRule
from elasticity.pipeline.resistance import PATHS, ResistanceJobs
from elasticity.pipeline.springs import SpringsJobs
from elasticity.pipeline.token_tree import TokenTreeJobs


class TableJobs(Part):
    """All tables of a study."""

    def __init__(
        self,
        models: ModelJobs,
        rebound: ReboundJobs,
        resistance: ResistanceJobs,
        compression: CompressionJobs,
        springs: SpringsJobs,
        measurements: MeasurementJobs,
        published: PublishedJobs,
        claims: ClaimJobs,
    ) -> None:
        super().__init__(models.study)
        self.models, self.rebound, self.resistance, self.compression = models, rebound, resistance, compression
        self.springs, self.measurements = springs, measurements
        self.published, self.claims = published, claims
        self.trees = TokenTreeJobs(models, compression)
        self.noise, self.calibration = NoiseJobs(rebound), CalibrationJobs(rebound)
        self._rules = {rule.name: rule for rule in self._all()}

    def __iter__(self) -> Iterator[TableRule]:
        """Iterate over the rules of all tables."""
        return iter(self._rules.values())

    def __getitem__(self, name: str) -> TableRule:
        """The rule of the table with this name."""
        return self._rules[name]

    def targets(self) -> list[str]:
        """The paths of all outputs that the report shows, which include the main output of each table."""
        return [path for rule in self for option in find_table(rule.name).shown for path in rule.paths(option)]

    def _all(self) -> Iterator[TableRule]:
        rebound, scored = self.study.rebound, self.noise.scored
        compressed, leaning = self._where(lambda it: it.compression), self._where(lambda it: it.lean)
        settings = self.study.compression
        yield self._rule("rebound", scored, {"scores": self._scores, "text_statistics": self._statistics}, self._cells)
        yield self._rule(
            "divergence",
            self._where(lambda it: it.divergence),
            {"divergences": self._measured("divergences.parquet")},
            self._cells,
            folded=("divergences",),
        )
        yield self._rule(
            "realignment", self._where(lambda it: bool(it.realignment_sizes)), {"scores": self._scores}, self._realigned
        )
        yield self._rule(
            "text_statistics",
            self._where(lambda it: it.text_statistics),
            {"text_statistics": lambda w: self.measurements.text_statistics(self.rebound.experiment(w))},
            self._cells,
            folded=("text_statistics",),
        )
        yield self._rule(
            "choices",
            self._where(lambda it: chooses(self.study.recipe(it.alignment_recipe), self.study.sampling.contrast)),
            {"metrics": lambda w: [path for _, path in self.rebound.alignment_metrics(self.rebound.experiment(w))]},
            self._choices,
        )
        yield self._rule(
            "bits_per_byte",
            self.models.measured_tasks(),
            {"lengths": lambda w: f"{self.results}/{w.task}/bits-per-byte.parquet"},
            self.models.bits_per_byte_job,
        )
        yield self._rule(
            "score_model",
            sorted({rebound[name].task for name in scored}),
            {
                "quality": lambda w: f"{self.results}/{w.task}/score-model/quality.json",
                "scores": lambda w: f"{self.results}/{w.task}/scores.parquet",
                "prompts": lambda w: f"{self.results}/{w.task}/splits/prompts.parquet",
            },
            self._score_model,
        )
        yield self._rule(
            "resistance",
            self.study.resistance,
            {
                "cross_entropies": self.resistance.cross_entropies,
                "losses": self.resistance.tuning_losses,
                "twins": self.resistance.all_twins,
            },
            self._resistance,
        )
        yield self._rule(
            "entropies",
            [name for name, it in self.study.resistance.items() if it.equal_entropy],
            {"chosen": self.resistance.all_chosen},
            self._resistance,
        )
        yield self._rule(
            "lean",
            leaning,
            {
                "leans": self._measured("lean.parquet"),
                "base_leans": lambda w: [
                    f"{self.results}/{it.task}/rebound/{base}/lean.parquet"
                    for it in [self.rebound.experiment(w)]
                    for base in it.bases
                ],
            },
            self._cells,
            folded=("leans",),
        )
        yield self._rule(
            "lean_difference",
            [name for name in leaning if len(rebound[name].bases) == 2],
            {"leans": lambda w: self._table(f"seeds/lean-{w.experiment}")},
            self._cells,
        )
        yield self._rule(
            "measures",
            dict.fromkeys([*scored, *leaning, *self.study.resistance]),
            {
                "rebound_seeds": lambda w: self._if(w.experiment in scored, f"seeds/rebound-{w.experiment}"),
                "lean_seeds": lambda w: self._if(w.experiment in leaning, f"seeds/lean-{w.experiment}"),
                "resistance_seeds": lambda w: self._if(
                    w.experiment in self.study.resistance, f"seeds/resistance-{w.experiment}"
                ),
            },
            self._measures,
        )
        yield self._rule(
            "checks",
            self.claims.experiments,
            {
                "measures": lambda w: self._table(f"measures-{w.experiment}"),
                "rebound": lambda w: self._if(w.experiment in scored, f"rebound-{w.experiment}"),
                "resistance": lambda w: self._if(
                    w.experiment in self.study.resistance, f"seeds/resistance-{w.experiment}"
                ),
                "quality": lambda w: self._quality(w) if w.experiment in scored else [],
            },
            lambda w: to_json(ChecksJob(bases=self.bases(w.experiment))),
        )
        yield self._rule(
            "compression",
            compressed,
            {"rates": self._measured("compression.parquet"), "base_rates": self._base_files("compression.parquet")},
            self._cells,
            folded=("rates",),
        )
        yield self._rule(
            "arithmetic_coding",
            compressed if settings and settings.coded else (),
            {
                "codes": self._base_files("arithmetic-coding.parquet"),
                "base_rates": self._base_files("compression.parquet"),
                "complete": lambda w: sorted({path for _, _, path in self._corpora(w)}),
            },
            lambda w: to_json(
                ArithmeticCodingTableJob(corpora=tuple(self._corpora(w)), reading=self.compression.settings.reading)
            ),
        )
        yield self._rule(
            "springs",
            [name for name, it in rebound.items() if self.springs.bases(it)],
            {
                "rates": lambda w: self.springs.measured_files(w, "compression.parquet"),
                "joint_rates": lambda w: self.springs.joint_files(self.rebound.experiment(w), "compression.parquet"),
                "joint_amounts": lambda w: self.springs.joint_files(self.rebound.experiment(w), "amounts.parquet"),
                "base_losses": self.springs.pretraining_losses,
                "alignment_losses": self.springs.alignment_losses,
                "inverse_losses": lambda w: self.springs.measured_files(w, "losses.parquet"),
            },
            self.springs.table_job,
            folded=("rates", "joint_rates", "joint_amounts"),
        )
        yield self._rule(
            "published_resistance",
            self.published.resistance,
            {
                "measured": lambda w: self._table(f"resistance-{w.experiment}"),
                "paper": lambda _: as_input(PAPER / "resistance.csv"),
            },
            self.published.resistance_job,
        )
        yield self._rule(
            "published_reversion",
            self.published.rebound,
            {
                "seeds": lambda w: self._table(f"seeds/divergence-{w.experiment}"),
                "paper": lambda _: as_input(PAPER / "reversion.csv"),
            },
            self.published.reversion_job,
        )
        yield self._rule("theory", self._once(self.study.theory), {}, lambda _: to_json(self.theory))
        yield self._rule(
            "token_tree",
            self._once(self.study.token_tree),
            {
                "texts": lambda _: self.trees.texts(),
                "held_out": lambda _: self.trees.held_out(),
                "complete": lambda _: self.trees.tokenizer_file(),
            },
            lambda _: self.trees.job(),
        )
        yield self._rule(
            "code_lengths",
            self._once(self.trees.measured()),
            {"trees": lambda _: self._table("token-tree"), "base_rates": lambda _: self.trees.rates()},
            lambda _: self.trees.code_lengths_job(),
        )
        yield self._rule(
            "noise",
            self._once(self.noise.parts),
            {
                "measures": lambda _: [self._table(f"measures-{name}") for name in self.noise.experiments],
                "scores": lambda _: [f"{self.results}/{task}/scores.parquet" for task in self.noise.tasks],
            },
            lambda _: self.noise.job(),
        )
        yield self._rule(
            "calibration",
            self._once(self.study.calibration),
            {"noise": lambda _: as_input(noise_file(self.study))},
            lambda _: self.calibration.job(),
        )
        yield self._rule(
            "verdicts",
            self._once(self.study.claims),
            {
                "measures": lambda _: [self._table(f"measures-{name}") for name in self.claims.experiments],
                "checks": lambda _: [self._table(f"checks-{name}") for name in self.claims.experiments],
                "scores": lambda _: [f"{self.results}/{task}/scores.parquet" for task in self.claims.tasks],
                "metrics": lambda _: self.claims.metrics(),
                "calibration": lambda _: self._if(self.study.calibration is not None, "calibration"),
            },
            lambda _: self.claims.job(),
            folded=("metrics",),
        )

    def _rule(
        self, name: str, made_for: Iterable[str], inputs: dict[str, Files], job: Files, folded: tuple[str, ...] = ()
    ) -> TableRule:
        assert name in table_names(), f"there is no table {name}"
        return TableRule(name, self.results, tuple(made_for), inputs, job, folded)

    @staticmethod
    def _once(wanted: object) -> tuple[str, ...]:
        """``made_for`` of a table of the whole study, which is made once or not at all."""
        return ("study",) if wanted else ()

    def _where(self, asks: Callable[[Rebound], bool]) -> list[str]:
        return [name for name, rebound in self.study.rebound.items() if asks(rebound)]

    # Inputs

    def _table(self, stem: str) -> str:
        return f"{self.results}/tables/{stem}.csv"

    def _if(self, there: bool, stem: str) -> list[str]:
        return [self._table(stem)] if there else []

    def _scores(self, wildcards: Wildcards) -> str:
        return f"{self.results}/{self.rebound.experiment(wildcards).task}/scores.parquet"

    def _quality(self, wildcards: Wildcards) -> str:
        return f"{self.results}/{self.rebound.experiment(wildcards).task}/score-model/quality.json"

    def _statistics(self, wildcards: Wildcards) -> list[str]:
        asked = self.rebound.experiment(wildcards).text_statistics
        return self._if(asked, f"text-statistics-{wildcards.experiment}")

    def _measured(self, file: str) -> Files:
        """A function that returns one file of each inverse run of an experiment."""

        def files(wildcards: Wildcards) -> list[str]:
            runs = self.rebound.experiment_runs(self.rebound.experiment(wildcards))
            return [f"{self.rebound.inverse_run(*run)}/{file}" for run in runs]

        return files

    def _base_files(self, file: str) -> Files:
        """A function that returns one file of each base model of an experiment."""
        return lambda w: [f"{it}/{file}" for it in self.compression.base_folders(self.rebound.experiment(w))]

    def _corpora(self, wildcards: Wildcards) -> list[tuple[str, Any, str]]:
        return self.compression.corpora_of_bases(self.rebound.experiment(wildcards))

    # Job specs

    def _cells(self, wildcards: Wildcards) -> str:
        return to_json(self.rebound.table_job(self.rebound.experiment(wildcards)))

    def _score_model(self, wildcards: Wildcards) -> str:
        score_model = self.study.tasks[wildcards.task].score_model
        assert score_model is not None
        return to_json(ScoreModelTableJob(threshold=score_model.threshold))

    def _realigned(self, wildcards: Wildcards) -> str:
        rebound = self.rebound.experiment(wildcards)
        settings = self.study.recipe(rebound.realignment_recipe)
        return to_json(RealignmentTableJob(**dict(self.rebound.table_job(rebound)), realignment=settings))

    def _resistance(self, wildcards: Wildcards) -> str:
        runs = tuple(self.resistance.runs_of(wildcards.experiment))
        return to_json(ResistanceTableJob(runs=runs, paths=PATHS))

    def _measures(self, wildcards: Wildcards) -> str:
        return to_json(MeasuresJob(bases=self.bases(wildcards.experiment)))

    def bases(self, experiment: str) -> tuple[str, ...]:
        """The base models of the experiments with this name, those of the rebound experiment first."""
        kinds = (self.study.rebound.get(experiment), self.study.resistance.get(experiment))
        return tuple(dict.fromkeys(base for it in kinds if it for base in it.bases))

    def _choices(self, wildcards: Wildcards) -> str:
        rebound = self.rebound.experiment(wildcards)
        runs = tuple((stage.base, stage.seed) for stage, _ in self.rebound.alignment_metrics(rebound))
        return to_json(ChoicesJob(runs=runs, sizes=rebound.alignment_sizes))

    @property
    def theory(self) -> Theory:
        """The parameters with which the theorem is evaluated; the defaults if the study does not evaluate it."""
        return self.study.theory or Theory()
