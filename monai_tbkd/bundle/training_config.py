"""The config of a training: the settings it depends on, and its stages."""

from __future__ import annotations

import copy
import gc
import json
from typing import Any

from monai.bundle import ConfigParser

from monai_tbkd.bundle.running_config import running_parser, shared_content
from monai_tbkd.engines.stages import is_finished

_OF_MACHINE = {"device", "amp", "num_workers", "cache_rate", "progress_bar", "resume", "val_interval", "layout",
               "stage", "select", "test", "missing_annotation", "grid", "patience", "max_pixels", "keep_whole_image",
               "picture_size", "tracking_uri", "experiment_name", "run_name", "save_execute_config"}  # fmt: skip
_OF_POSITION = ("_dir", "_root", "_file", "_checkpoint", "operating_point")
_WORKFLOW = {"imports", "train", "validate", "evaluate", "robustness", "finetune", "datalist", "settings", "initialize",
             "finalize", "preprocessing", "network", "_meta_"}  # fmt: skip


def config_settings() -> dict[str, Any]:
    """Return the settings of the running config that a training depends on, JSON-able.

    These are the ids at the top whose content is a number, a text, a flag or a list of them, without those of the
    machine and its folders, and the text of sections such as the loss terms of the stage. Those of preprocessing.yaml
    count as well, given or not.
    """
    parser, _ = running_parser()
    found: dict[str, Any] = {}
    student = "stage" in parser and parser.get_parsed_content("stage") == "student"
    left_out = _OF_MACHINE | _WORKFLOW | ({"label_terms"} if student else {"student_terms", "target"})
    shared_ones = shared_content(parser, "preprocessing") if "preprocessing" in parser else {}
    for key, raw in {**shared_ones, **parser.get()}.items():
        if key in left_out or key.endswith(_OF_POSITION) or key.startswith("run"):
            continue
        if isinstance(raw, dict):
            found[key] = json.dumps(raw, sort_keys=True, default=str)
            continue
        if isinstance(raw, str) and raw.startswith("$") and "(" in raw.split(" if ")[0]:
            continue  # a call makes an object
        value = parser.get_parsed_content(key) if isinstance(raw, str) and raw[:1] in "@$" else raw
        if value is None or isinstance(value, (str, bool, int, float, list, tuple)):
            found[key] = value
    found["random_transforms"] = json.dumps(parser.get("train::random_transforms", []), default=str)
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def run_stages() -> None:
    """Run the stage that the config names; ``all`` is the teacher, unless a finished one is there, then the student.

    Each is run by the config's ``run_stage``, in a copy of the config with the stage's name as ``stage``.

    Raises:
        ValueError: no such stage.
    """
    parser, _ = running_parser()
    stage = parser.get_parsed_content("stage")
    parser.get_parsed_content("checkpoint")  # refuses an unknown stage before features of all images are computed
    for each in ("teacher", "student") if stage == "all" else (stage,):
        own = ConfigParser(config=copy.deepcopy(parser.get()))
        own["stage"] = each
        if stage == "all" and each == "teacher":
            network, checkpoint, settings = map(own.get_parsed_content, ("network_def", "checkpoint", "settings"))
            if is_finished(network, checkpoint, settings, "teacher"):
                continue
        own.get_parsed_content("run_stage")
        del own
        gc.collect()  # frees the images that the stage keeps in memory, before the next one reads its own
