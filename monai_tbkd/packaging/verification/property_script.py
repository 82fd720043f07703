"""The properties that MONAI expects of a workflow. Run by launcher.py, after the workflow has been run."""

from __future__ import annotations

import json
import sys

from monai.bundle import ConfigWorkflow

if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    try:
        workflow = ConfigWorkflow(
            wanted["configs"], workflow_type=wanted["workflow"], logging_file=False, **wanted["overrides"]
        )
        workflow.initialize()
        missing = workflow.check_properties() or []
        result = {"missing": missing}
        workflow.finalize()
    except BaseException as e:
        while e.__cause__ is not None:
            e = e.__cause__
        result = {"error": f"{type(e).__name__}: {(str(e).strip().splitlines() or [''])[0]}"}
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file)
