"""All checks of a bundle's folder, in the order in which they can be trusted."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.packaging.bundle_runs import OWN_RUNS, launch, read_runs, run_configs
from monai_tbkd.packaging.config_checks import check_configs, config_files
from monai_tbkd.packaging.file_hashes import differences
from monai_tbkd.packaging.zoo_rules import ERROR, OK, SKIPPED, Finding, check_folder, check_metadata

logger = logging.getLogger(__name__)


def verify(
    root: str | Path,
    work: str | Path,
    hashes: str | Path | None = None,
    schema: str | Path | None = None,
    runs: str | Path | None = None,
    images: str | Path | None = None,
    run: bool = True,
) -> Iterator[Finding]:
    """Check a bundle's folder as the Model Zoo would, without a network.

    Configs are code. With ``hashes`` nothing of the folder is run unless its files are those of the list.

    Args:
        root: the bundle.
        work: an empty folder for what is run.
        hashes: a list of the folder's files, from outside of it.
        schema: the published metadata schema, by path.
        runs: which configs are run with what overrides, see `read_runs`; this project's own bundle needs none.
        images: a data set for the runs; this project's own bundle gets phantom images where none is given.
        run: False looks at files alone, and runs nothing of the bundle.

    Yields:
        Findings, as they come.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    root, work = Path(root).resolve(), Path(work).resolve()
    if not root.is_dir():
        raise NotADirectoryError(f"There is no folder {root}.")
    if hashes is not None:
        changed = differences(root, hashes)
        yield from (Finding("hashes", ERROR, text) for text in changed)
        if changed:
            yield Finding("hashes", SKIPPED, "nothing of the folder was run.")
            return
        yield Finding("hashes", OK, f"all files are those of {Path(hashes).name}.")
    yield from check_folder(root)
    yield from check_metadata(root, None if schema is None else Path(schema).resolve())
    found, chains = check_configs(root)
    yield from found
    if not run:
        yield Finding("run", SKIPPED, "nothing of the folder was run, as was asked.")
        return
    configs = config_files(root)
    config = configs.get("inference") or configs.get("train")
    if config is not None:
        logger.info("checking the network")
        result = work / "network.json"
        done = launch(root, ["check_network", str(result), str(config)], work)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        unfinished = [("network", ERROR, f"the check came to no end: {last}")]
        answer = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else unfinished
        yield from (Finding(*each) for each in answer)
    own = any("monai_tbkd." in path.read_text(encoding="utf-8") for path in configs.values())
    spec = OWN_RUNS if runs is None and own else runs
    if spec is None:
        yield Finding("run", SKIPPED, "no config was run: say with what overrides (--runs FILE).")
        return
    if images is None and own:
        counts = {"health": 8, "sick": 4, "tb": 14}
        images = write_phantom_dataset(work / "images", counts, {"health": 3, "sick": 2, "tb": 5}, size=128)
    positions = {"images": Path(images or work).resolve(), "work": work, "bundle": root}
    yield from run_configs(root, read_runs(Path(spec), positions), chains, work)
