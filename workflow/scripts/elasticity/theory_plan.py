"""The check of the elasticity theorem as a graph."""

from elasticity.compression_settings import Theory
from elasticity.materials_plan import table_and_figure, to_json
from elasticity.study import Study


class TheoryPlan:
    """One table and one figure, if the study asks for them."""

    def __init__(self, study: Study) -> None:
        self.settings = study.theory
        self.results = f"results/{study.name}"

    def targets(self) -> list[str]:
        """The table and the figure."""
        return table_and_figure(self.results, "theory") if self.settings else []

    def job(self) -> str:
        """Of both; what they would be by default if the study does not ask."""
        return to_json(self._settings)

    @property
    def draws(self) -> int:
        """Of the cross-check, for the figure's caption: of what a study extends, Snakemake's settings know nothing."""
        return self._settings.draws

    @property
    def _settings(self) -> Theory:
        return self.settings or Theory()
