"""Self-Instruct: the user-oriented instructions, each with a list of instances."""

from collections.abc import Iterable

from elasticity.config.formats import NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_field, read_instruction, read_text, wrong_value


@data_format("self-instruct", __name__, sides=NEUTRAL, has_prompts=True)
def self_instruct(row: Row) -> Iterable[Raw]:
    """One neutral example from the first instance; no user-oriented instruction has a second one."""
    instances = read_field(row, "instances")
    if not isinstance(instances, list) or not instances or not isinstance(instances[0], dict):
        raise wrong_value("instances", instances, "a list of objects")
    yield Raw(read_instruction(row, instances[0]), read_text(instances[0], "output"), "neutral")
