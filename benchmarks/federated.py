"""Three hospitals that can't share images: a student of each alone, a federated one, and one of all images pooled.

    python benchmarks/federated.py --work outputs/federated [--seeds 0 1 2]

Each site has phantom images with a shortcut of its own (side letter, text line or collimation border) that agrees with
the label on 9 images of 10. Teacher and student are trained three ways, with the same epochs over the same images:
`local` (each site alone), `federated` (MONAI's MonaiAlgo at each site, federated averaging) and `pooled` (one place
holds all images). `federated_own_norms` is the federated student whose batch norms were measured again on the site's
own training images.

All are tested on the same images, drawn twice: `plain` without any cue and `flipped` with all three cues, which point
the wrong way on 9 images of 10. Every site chooses thresholds on its own held-out images, for each student alike, and
fits its own blind baselines. A site's numbers are averaged over the three sites image by image, so that intervals are
over images and seeds. What is finished in the folder is not trained again; the table is made anew.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_turns import write_table
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject
from torch import nn

from monai_tbkd.data import load_datalist
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.engines import federated_averaging, federated_site
from monai_tbkd.metrics import Comparison, Predictions
from monai_tbkd.metrics.bootstrap import Statistic, summarize_seeds, weighted_mean
from monai_tbkd.metrics.image_level import weighted_image_level
from monai_tbkd.networks import load_checkpoint
from monai_tbkd.networks.checkpoint import read_record

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "bundle"
TRAIN, EVALUATE, DEMO = (
    str(ROOT / part) for part in ("bundle/configs/train.yaml", "bundle/configs/evaluate.yaml", "configs/demo.yaml")
)
RESULT = ROOT / "benchmarks" / "results" / "federated.csv"
COLUMNS = (
    "tested", "site", "predictor", "metric", "value", "low", "high", "images", "seeds", "by_seed",
)  # fmt: skip
SITES = ("letter", "text", "border")
TESTED = {"plain": (), "flipped": SITES}
WAYS = ("local", "federated", "federated_own_norms", "pooled")
BLIND = ("blind_prior", "center_box")
NUMBERS = ("union_mask_iou", "pointing", "auc")
DIFFERENCES = (
    ("federated", "local"), ("federated", "pooled"), ("federated", "blind_prior"), ("local", "blind_prior"),
    ("federated_own_norms", "federated"),
)  # fmt: skip
GRID = 128

Images = dict[str, list[dict[str, Any]]]
Measured = dict[str, dict[str, np.ndarray]]
"""By predictor: ``union_mask_iou``, ``pointing`` and, of those that look at images, ``score``, image by image."""

logger = logging.getLogger("federated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for images and models")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, nargs=3, default=[50, 25, 85], metavar=("HEALTH", "SICK", "TB"))
    parser.add_argument("--test_images", type=int, nargs=3, default=[40, 20, 100], metavar=("HEALTH", "SICK", "TB"))
    parser.add_argument("--size", type=int, default=128, help="side of the images in pixels")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--local_epochs", type=int, default=2, help="in each round")
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("monai.fl").setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    images = {site: site_images(args, site, number) for number, site in enumerate(SITES)}
    tested = {name: tested_images(args, name, cues) for name, cues in TESTED.items()}
    measured = {}
    for seed in args.seeds:
        models = trained(args, images, seed)
        measured[seed] = measure(args, images, tested, models)
        logger.info("Seed %d is measured.", seed)
    rows = list(table(measured, tested))
    write_table(args.output, COLUMNS, rows)
    for row in rows:
        if row[1] == "all":
            print("  ".join(map(str, row)))


# ---------------------------------------------------------------- images
def site_images(args: argparse.Namespace, site: str, number: int) -> Images:
    """Training and selection images of a site, with names that no other site has."""
    folder = write_phantom_dataset(
        args.work / site, counts(args.images), {"tb": 1}, size=args.size, seed=number, shortcut_kinds=(site,)
    )
    splits = load_datalist(folder, num_classes=1, select=0.2)
    return {split: named(splits[split], site) for split in ("train", "select")}


def tested_images(args: argparse.Namespace, name: str, cues: Sequence[str]) -> list[dict[str, Any]]:
    """The images of the test, which are the same but for their cues."""
    folder = write_phantom_dataset(
        args.work / name, {"health": 1, "tb": 1}, counts(args.test_images), size=args.size, seed=100, val_agreement=0.1,
        shortcut_kinds=cues,
    )  # fmt: skip
    return named(load_datalist(folder, num_classes=1, select=0)["test"], name)


def counts(numbers: Sequence[int]) -> dict[str, int]:
    return dict(zip(("health", "sick", "tb"), numbers, strict=True))


def named(items: Sequence[Mapping[str, Any]], position: str) -> list[dict[str, Any]]:
    return [{**item, "name": f"{position}/{item['name']}"} for item in items]


# ---------------------------------------------------------------- training
def settings(args: argparse.Namespace, folder: Path, seed: int, images: Images) -> dict[str, Any]:
    return {
        "datalist": {**images, "test": []},
        "ckpt_dir": str(folder),
        "output_dir": str(folder / "out"),
        "image_size": args.size,
        "grid": GRID,
        # small enough for one core
        "network_def::width": 0.25,
        "batch_size": 8,
        "max_epochs": args.rounds * args.local_epochs,
        "val_interval": args.rounds * args.local_epochs,
        "seed": seed,
        "num_workers": 0,
        "progress_bar": False,
        "device": "$torch.device('cpu')",
    }


def trained(args: argparse.Namespace, images: Mapping[str, Images], seed: int) -> dict[str, dict[str, Path]]:
    """The students' checkpoints, by way and site."""
    work = args.work / f"seed_{seed}"
    for site in SITES:
        train(settings(args, work / "local" / site, seed, images[site]))
    pooled = {split: [item for site in SITES for item in images[site][split]] for split in ("train", "select")}
    train(settings(args, work / "pooled", seed, pooled))
    federate(args, images, work / "federated", seed)
    return {
        "local": {site: work / "local" / site / "model.pt" for site in SITES},
        "federated": {site: work / "federated" / site / "model.pt" for site in SITES},
        "pooled": dict.fromkeys(SITES, work / "pooled" / "model.pt"),
    }


def train(given: dict[str, Any]) -> None:
    """Teacher and student in one place."""
    if read_record(Path(given["ckpt_dir"]) / "model.pt") is not None:
        return
    workflow = ConfigWorkflow([TRAIN, DEMO], run_id="run", workflow_type="train", logging_file=False, **given)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    logger.info("Trained %s.", given["ckpt_dir"])


def federate(args: argparse.Namespace, images: Mapping[str, Images], folder: Path, seed: int) -> None:
    """Teacher, then student, of all sites."""
    for stage, checkpoint in (("teacher", "teacher.pt"), ("student", "model.pt")):
        if all(read_record(folder / site / checkpoint) is not None for site in SITES):
            continue
        # sites change images at random in ways of their own; the server needs no image for a network to start from
        own = {
            site: settings(args, folder / site, 1000 * seed + number, images[site]) for number, site in enumerate(SITES)
        }
        sites = [federated_site(stage, BUNDLE, own[site], [DEMO], args.local_epochs) for site in SITES]
        for site, algorithm in zip(SITES, sites):
            algorithm.initialize({ExtraItems.CLIENT_NAME: site})
        start = ConfigWorkflow(
            [TRAIN, DEMO], workflow_type="train", logging_file=False, stage=stage, **settings(args, folder, seed, {})
        ).parser
        torch.manual_seed(seed)
        weights = federated_averaging(sites, start.get_parsed_content("trained").state_dict(), args.rounds)
        for algorithm in sites:
            algorithm.evaluate(ExchangeObject(weights=weights))  # writes what the site has received
            algorithm.finalize()
        logger.info("Federated the %s of seed %d.", stage, seed)


# ---------------------------------------------------------------- measuring
def measure(
    args: argparse.Namespace,
    images: Mapping[str, Images],
    tested: Mapping[str, list[dict[str, Any]]],
    models: Mapping[str, Mapping[str, Path]],
) -> dict[str, dict[str, Measured]]:
    """By test and site, each predictor image by image."""
    everything = [
        *(item for site in SITES for item in images[site]["select"]),
        *(i for t in tested.values() for i in t),
    ]
    pooled = look(args, models["pooled"][SITES[0]], everything, None)
    result: dict[str, dict[str, Measured]] = {name: {} for name in tested}
    for site in SITES:
        students = {
            "local": look(args, models["local"][site], everything, None),
            "federated": look(args, models["federated"][site], everything, None),
            "federated_own_norms": look(args, models["federated"][site], everything, images[site]["train"]),
            "pooled": pooled,
        }
        of = {way: {s: student(items) for s, items in (("select", images[site]["select"]), *tested.items())}
              for way, student in students.items()}  # fmt: skip
        for name, items in tested.items():
            comparison = Comparison(images[site]["train"], images[site]["select"], items, grid=GRID, resamples=10)
            blind = {way: {s: Predictions(m, None) for s, m in comparison.blind[way].items()} for way in BLIND}
            shown = {way: {"select": each["select"], "test": each[name]} for way, each in of.items()} | blind
            result[name][site] = {way: numbers(comparison, each) for way, each in shown.items()}
    return result


def numbers(comparison: Comparison, predictions: Mapping[str, Predictions]) -> dict[str, np.ndarray]:
    """Image by image, with the threshold that is chosen on the site's selection images."""
    points = comparison.choose(predictions["select"])
    test = predictions["test"]
    measures = comparison.measure(test, points)
    found = {"union_mask_iou": measures.union_mask_iou, "pointing": measures.pointing}
    return found if test.scores is None else {**found, "score": np.asarray(test.scores)}


def look(
    args: argparse.Namespace, checkpoint: Path, items: list[dict[str, Any]], own: list[dict[str, Any]] | None
) -> Callable[[list[dict[str, Any]]], Predictions]:
    """Let a student look at images once, with batch norms measured on a site's own images if given; any can be had."""
    parser = looking(args, items)
    network = load_checkpoint(parser.get_parsed_content("network_def"), checkpoint)
    if own is not None:
        batches = looking(args, own).get_parsed_content("validate::dataloader")
        measure_norms(network, [batch["image"] for batch in batches])
    evaluator = parser.get_parsed_content("validate::evaluator")
    evaluator.network = network
    evaluator.run()
    recorder = parser.get_parsed_content("evaluate::recorder")
    return lambda wanted: recorder.predictions([item["name"] for item in wanted])


def looking(args: argparse.Namespace, items: list[dict[str, Any]]) -> ConfigParser:
    """The bundle, with these images to validate on."""
    given = settings(args, args.work / "looking", 0, {"train": items[:1], "select": items})
    return ConfigWorkflow([TRAIN, EVALUATE, DEMO], workflow_type="train", logging_file=False, **given).parser


def measure_norms(network: nn.Module, batches: Sequence[torch.Tensor]) -> None:
    """Set the batch norms' means and variances to those of these images, each batch counting alike."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch.as_subclass(torch.Tensor))
    network.eval()


# ---------------------------------------------------------------- the table
def table(
    measured: Mapping[int, Mapping[str, Mapping[str, Measured]]], tested: Mapping[str, list[dict[str, Any]]]
) -> Iterator[list[Any]]:
    for name, items in tested.items():
        positive = np.array([item["class_name"] == "tb" for item in items])
        by_seed = [measured[seed][name] for seed in sorted(measured)]
        for site in ("all", *SITES):
            sites = SITES if site == "all" else (site,)
            for number in NUMBERS:
                ways = (*WAYS, *(BLIND if number != "auc" else ()))
                of = {way: statistics(by_seed, sites, way, number, positive) for way in ways}
                for a, b in DIFFERENCES:
                    if b in of:
                        of[f"{a} minus {b}"] = [difference(x, y) for x, y in zip(of[a], of[b], strict=True)]
                for way, each in of.items():
                    yield [name, site, way, number, *summary(each, number, positive)]


def statistics(
    by_seed: Sequence[Mapping[str, Measured]], sites: Sequence[str], way: str, number: str, positive: np.ndarray
) -> list[Statistic]:
    """One a seed: the mean over sites."""
    return [mean_of([one(of_sites[site][way], number, positive) for site in sites]) for of_sites in by_seed]


def one(images: Mapping[str, np.ndarray], number: str, positive: np.ndarray) -> Statistic:
    if number == "auc":
        return weighted_image_level("auc", images["score"], positive)
    return weighted_mean(images[number])


def mean_of(statistics: Sequence[Statistic]) -> Statistic:
    return lambda weights: np.mean([each(weights) for each in statistics], axis=0)


def difference(a: Statistic, b: Statistic) -> Statistic:
    return lambda weights: a(weights) - b(weights)


def summary(statistics: list[Statistic], number: str, positive: np.ndarray) -> list[Any]:
    """Mean over seeds, with the interval that resamples seeds and images."""
    found = summarize_seeds(statistics, len(positive))
    interval = found["over_seeds_and_images"]
    images = len(positive) if number == "auc" else int(positive.sum())
    values = [f"{value:.4f}" for value in (found["mean"], interval["low"], interval["high"])]
    return [*values, images, len(statistics), " ".join(f"{value:.4f}" for value in found["per_seed"])]


if __name__ == "__main__":
    main()
