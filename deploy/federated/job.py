"""The NVFlare job: federated averaging of the teacher's, then of the student's weights.

    python deploy/federated/job.py --stage teacher --sites a b c --rounds 12 --simulate WORKSPACE
    python deploy/federated/job.py --stage teacher --sites a b c --rounds 12 --export FOLDER

The first runs NVFlare's simulator on this machine, the second writes the job that a coordinator submits. The server
holds a network and no image. After the last round there is one exchange more, which brings the sites the last average.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from monai.bundle import ConfigParser
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.recipe import SimEnv

from monai_tbkd.bundle import bundle_files

logger = logging.getLogger("federated")


def main() -> None:
    """Simulate or export the job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=("teacher", "student"), required=True)
    parser.add_argument("--sites", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--local_epochs", type=int, default=2, help="in each round")
    parser.add_argument("--recipes", nargs="*", default=[], help="config files over training's, the same at all sites")
    parser.add_argument("--settings", type=json.loads, default={}, help="settings of the network, as JSON")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--simulate", type=Path, metavar="WORKSPACE")
    where.add_argument("--export", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    recipe = FedAvgRecipe(
        name=f"tbkd_{args.stage}",
        model=network(args),
        min_clients=len(args.sites),
        num_rounds=args.rounds + 1,
        train_script=str(Path(__file__).with_name("client.py")),
        train_args=f"--stage {args.stage} --rounds {args.rounds} --local_epochs {args.local_epochs}",
        key_metric="val/auc",
    )
    if args.export:
        recipe.export(str(args.export))
        return
    run = recipe.execute(SimEnv(clients=args.sites, workspace_root=str(args.simulate)))
    logger.info("The server's files are in %s.", run.get_result())


def network(args: argparse.Namespace) -> dict[str, object]:
    """Class and arguments of the network, as the bundle's configs have them."""
    config = ConfigParser()
    config.read_config([str(bundle_files() / "configs" / "train.yaml"), *args.recipes])
    config.update({**args.settings, "stage": args.stage})
    config.parse()
    given = {key: config.get_parsed_content(f"network_def::{key}") for key in config["network_def"] if key[0] != "_"}
    return {"class_path": config["network_def::_target_"], "args": given}


if __name__ == "__main__":
    main()
