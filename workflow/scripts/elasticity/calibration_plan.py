"""The calibration of the tests as a graph."""

from elasticity.calibration_settings import Calibration, CalibrationJob, Design
from elasticity.materials_plan import to_json
from elasticity.study import Study


class CalibrationPlan:
    """One table and one figure, if the study asks for them."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"

    def targets(self) -> list[str]:
        """The table and the figure."""
        if not self.study.calibration:
            return []
        return [self.table, f"{self.results}/figures/calibration.svg"]

    @property
    def table(self) -> str:
        """The file that verdicts read."""
        return f"{self.results}/tables/calibration.csv"

    @property
    def settings(self) -> Calibration:
        """Of both; the default ones if the study does not ask."""
        return self.study.calibration or Calibration()

    def job(self) -> str:
        """Of the table."""
        job = CalibrationJob(
            settings=self.settings,
            seeds=len(self.study.seeds),
            designs=self.designs(),
            resistance=tuple(self.study.resistance),
        )
        return to_json(job)

    def designs(self) -> dict[str, Design]:
        """The designs of the experiments with scores, by the names of all that have them; N = 0 alone shows nothing."""
        names: dict[Design, list[str]] = {}
        for name, rebound in self.study.rebound.items():
            task = self.study.tasks[rebound.task]
            if task.score_model and rebound.second_sizes[-1] > 0:
                prompts = task.pools.prompts
                design = Design(first_sizes=rebound.first_sizes, second_sizes=rebound.second_sizes, prompts=prompts)
                names.setdefault(design, []).append(name)
        return {", ".join(those): design for design, those in names.items()}
