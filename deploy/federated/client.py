"""A site's part in an NVFlare job: MONAI's MonaiAlgo on the bundle that is installed at the site.

NVFlare runs this at each site; job.py names it. The site's own file of settings, TBKD_SITE in its environment, says
where its images and models are; nothing of it leaves the site. What is sent is weights, the number of training steps
and three numbers of the site's held-out images.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import nvflare.client as flare
from monai.fl.utils.constants import ExtraItems, FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject
from nvflare.apis.fl_constant import FLMetaKey

from monai_tbkd.bundle import bundle_files
from monai_tbkd.engines import federated_site
from monai_tbkd.networks import ViewedNet


def main() -> None:
    """Train and evaluate what the server sends, until it sends no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=("teacher", "student"), required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--local_epochs", type=int, required=True)
    args = parser.parse_args()
    flare.init()
    name = flare.get_site_name()
    own = json.loads(Path(os.environ["TBKD_SITE"].format(site=name)).read_text(encoding="utf-8"))
    settings = {**own["settings"], "max_epochs": args.rounds * args.local_epochs}
    site = federated_site(args.stage, bundle_files(), settings, own.get("recipes", ()), args.local_epochs)
    site.initialize({ExtraItems.CLIENT_NAME: name})
    # of the names of weights in the trainer's network, which may look through a view
    prefix = "network." if isinstance(site.trainer.network, ViewedNet) else ""
    while flare.is_running():
        message = flare.receive()
        if message is None:
            break
        received = ExchangeObject(weights={prefix + key: value for key, value in message.params.items()})
        if message.current_round < args.rounds:
            site.train(received)
        metrics = site.evaluate(received).metrics  # after the last round this writes the checkpoint
        update = site.get_weights() if message.current_round < args.rounds else received
        steps = (update.statistics or {}).get(FlStatistics.NUM_EXECUTED_ITERATIONS, 1)
        flare.send(
            flare.FLModel(
                params={key.removeprefix(prefix): value for key, value in update.weights.items()},
                metrics={key: float(value) for key, value in metrics.items()},
                meta={FLMetaKey.NUM_STEPS_CURRENT_ROUND: steps},
            )
        )
    site.finalize()


if __name__ == "__main__":
    main()
