"""Compression rates as a graph: which texts each model is measured on, and what packs them."""

from elasticity import jobs, judging_jobs, ladders
from elasticity.compression_settings import Compression, Corpus
from elasticity.experiments import Rebound
from elasticity.ladders import Ladder
from elasticity.materials_plan import Wildcards, table_and_figure, to_json
from elasticity.plan_part import PlanPart
from elasticity.second_data import second_data
from elasticity.settings import Opposed


class CompressionPlan(PlanPart):
    """The measurements of the rebound experiments that ask for them."""

    def targets(self) -> list[str]:
        """The tables and figures."""
        found = []
        for name, rebound in self.study.rebound.items():
            if rebound.compression:
                kinds = ("compression", "coding") if self._settings.coded else ("compression",)
                for kind in kinds:
                    found += table_and_figure(self.results, f"{kind}-{name}")
        return found

    @property
    def _settings(self) -> Compression:
        assert self.study.compression, "checked when the study is read"
        return self.study.compression

    def corpora(self, task: str, base: str, side: Opposed, second: str) -> dict[Corpus, str]:
        """The held-out texts of what a model saw and of the control, those that there are.

        ``second`` is the recipe of the second side.
        """
        held_out = f"{self.results}/{{}}/pools/held-out-{{}}.parquet"
        pretrained_on, control = self.study.pretrained_on(base), self._settings.control
        found: dict[Corpus, str] = {}
        if pretrained_on is not None:
            found["pretraining"] = held_out.format(pretrained_on, "pretraining")
        found["alignment"] = held_out.format(task, side)
        found["perturbation"] = f"{self.results}/{second_data(self.study.recipe(second), task, side).held_out}"
        if control is not None:
            found["control"] = held_out.format(control, "pretraining")
        return found

    def _of(self, wildcards: Wildcards) -> dict[Corpus, str]:
        return self.corpora(wildcards.task, wildcards.base, wildcards.side, wildcards.second)

    def texts(self, wildcards: Wildcards) -> list[str]:
        """The texts that a job measures."""
        return list(self._of(wildcards).values())

    def job(self, wildcards: Wildcards) -> str:
        """Of a ladder of the second side beside its base model."""
        return self._job(wildcards, ladders.parse(wildcards.ladder), self.plan.cell(wildcards))

    def base_job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return self._job(wildcards, (self.study.bases[wildcards.base][1],), None)

    def _job(self, wildcards: Wildcards, rungs: Ladder, cell: jobs.Cell | None) -> str:
        job = jobs.CompressionJob(
            base=wildcards.base,
            base_rung=self.study.bases[wildcards.base][1],
            cell=cell,
            rungs=rungs,
            corpora=tuple(self._of(wildcards)),
            reading=self._settings.reading,
        )
        return to_json(job)

    def coding_job(self, wildcards: Wildcards) -> str:
        """Of a base model and the first texts of each corpus."""
        job = jobs.CodingJob(
            base=wildcards.base,
            base_rung=self.study.bases[wildcards.base][1],
            corpora=tuple(self._of(wildcards)),
            reading=self._settings.reading,
            texts=self._settings.coded,
        )
        return to_json(job)

    def rates(self, wildcards: Wildcards) -> list[str]:
        """The rates of the cells of an experiment."""
        runs = self.plan.experiment_runs(self.plan.rebound(wildcards))
        return [f"{self.plan.second_run(*run)}/compression.parquet" for run in runs]

    def base_rates(self, wildcards: Wildcards) -> list[str]:
        """The rates of the base models of an experiment."""
        return [f"{folder}/compression.parquet" for folder in self._bases(wildcards)]

    def codes(self, wildcards: Wildcards) -> list[str]:
        """What the base models of an experiment packed."""
        return [f"{folder}/coding.parquet" for folder in self._bases(wildcards)]

    def _bases(self, wildcards: Wildcards) -> list[str]:
        rebound = self.plan.rebound(wildcards)
        place = f"{rebound.first_side}/{rebound.second_recipe}"
        return [f"{self.results}/{rebound.task}/rebound/{base}/{place}" for base in rebound.bases]

    def coded_texts(self, wildcards: Wildcards) -> list[str]:
        """The texts that the models of an experiment are measured on."""
        return sorted({path for _, _, path in self._of_bases(self.plan.rebound(wildcards))})

    def _of_bases(self, rebound: Rebound) -> list[tuple[str, Corpus, str]]:
        return [
            (base, corpus, path)
            for base in rebound.bases
            for corpus, path in self.corpora(rebound.task, base, rebound.first_side, rebound.second_recipe).items()
        ]

    def coding_judge_job(self, wildcards: Wildcards) -> str:
        """Of an experiment."""
        corpora = tuple(self._of_bases(self.plan.rebound(wildcards)))
        return to_json(judging_jobs.CodingJudgeJob(corpora=corpora, reading=self._settings.reading))
