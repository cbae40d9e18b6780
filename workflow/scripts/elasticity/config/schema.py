"""The JSON schema of a study: ``python -m elasticity.config.schema`` prints workflow/schemas/study.schema.json."""

import json

from elasticity.config.study import Study


def schema() -> str:
    """Return the JSON schema of a study as text."""
    return json.dumps({"title": "Study"} | Study.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
