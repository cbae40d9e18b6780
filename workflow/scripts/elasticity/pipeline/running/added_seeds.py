"""Seeds that ``decide`` has added to a study: a file in its results, which every command reads."""

import json
from pathlib import Path

from elasticity.analysis.table import read_csv
from elasticity.config.study import Study
from elasticity.core.errors import UserError


def seeds_file(study: Study) -> Path:
    """The file that lists all seeds of a study to which seeds were added."""
    return Path("results", study.name, "seeds.json")


def with_added_seeds(study: Study) -> Study:
    """The study with the seeds of its file of added seeds, if it plans to add seeds and has such a file.

    Raises ``UserError`` if these are not the seeds that the study adds.
    """
    file = seeds_file(study)
    if study.decide is None or not file.is_file():
        return study
    seeds = json.loads(file.read_text())
    if seeds not in [list(extended(study, look)) for look in study.looks]:
        raise UserError(
            f"{file} lists the seeds {seeds}, which the study would not add: it begins with {list(study.seeds)} and "
            f"looks after {', '.join(map(str, study.looks))} seeds. Restore the study, or delete the file."
        )
    return study.model_copy(update={"seeds": tuple(seeds)})


def extended(study: Study, look: int) -> tuple[int, ...]:
    """So many seeds: those of the study, and the numbers that follow the largest of them."""
    first = study.seeds[: study.looks[0]]
    added = range(max(first) + 1, max(first) + 1 + look - len(first))
    return (*first, *added)


def add_seeds(study: Study) -> Study | None:
    """Write the seeds of the next round and return the study with them; None if no more seeds are to be added."""
    further = [look for look in study.looks if look > len(study.seeds)]
    if not further:
        return None
    seeds, file = extended(study, further[0]), seeds_file(study)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(seeds) + "\n")
    return study.model_copy(update={"seeds": seeds})


def undecided(study: Study) -> list[str]:
    """The confirmatory claims that the table of verdicts leaves open, and that more seeds may decide."""
    table = read_csv(Path("results", study.name, "tables/verdicts.csv"))
    chosen = (table["role"] == "confirmatory") & table["more_seeds"]
    return [str(name) for name in table.loc[chosen, "claim"]]
