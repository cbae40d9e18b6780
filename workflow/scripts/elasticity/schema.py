"""The JSON schema of a study, for editors and for reading: ``python -m elasticity.schema`` prints it."""

import json

from elasticity.study import Study


def schema() -> str:
    """The schema as text, as it stands in workflow/schemas/study.schema.json."""
    return json.dumps({"title": "Study"} | Study.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
