"""Write the resolved study and the provenance of its results."""

import json

import yaml

from elasticity.report.provenance import ProvenanceJob, provenance
from elasticity.runtime.command import Command

with Command(__doc__, ProvenanceJob, "texts", "results", "study", output="provenance") as command:
    study = command.job.study
    command.path("study").write_text(yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False))
    record = provenance(study, command.paths("texts"), command.paths("results"))
    command.path("provenance").write_text(json.dumps(record, indent=2) + "\n")
