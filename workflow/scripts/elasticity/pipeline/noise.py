"""The table from which plans and calibrations take the noise of measures between seeds."""

from pathlib import Path

from elasticity.config.study import Study
from elasticity.core.digests import SCRIPTS
from elasticity.core.errors import UserError

SHIPPED = SCRIPTS.parent / "noise.csv"
"""The noise of the default study, which others take unless they name another study: a copy of its table of noise."""


def noise_file(study: Study) -> Path:
    """The table from which a study takes the noise of its measures."""
    return Path("results", study.noise, "tables/noise.csv") if study.noise else SHIPPED


def check_noise(study: Study) -> None:
    """Raise ``UserError`` if the table of noise that a study names does not exist."""
    if not noise_file(study).is_file():
        raise UserError(
            f"noise: {noise_file(study)} does not exist: run the study {study.noise} first, or leave `noise` out"
        )
