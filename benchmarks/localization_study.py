"""Localization study: teacher, control, student and what must be beaten, on films never seen, by cross-validation.

    python benchmarks/localization_study.py hemithorax --dataset_dir TBX11K --weights resnet50.pth \
      [--stride_in_1x1] [--lung_weights lungs.pt] [--seeds 0 1 2] [--folds 5]

Numbers stand in ``configs/study/<protocol>.yaml``. Every TB film with boxes is in the test fold once for each seed; of
the others, ``select`` choose smoothing, factor and threshold, and train nothing; the rest train, without their boxes.
Every predictor goes through the same steps. ``ablations`` has further students, each with one part changed.
``shortcut`` makes phantom films in ``--dataset_dir`` first and has one fold. Results are written as they come: a line a
film, seed and predictor into ``--output``; ``benchmarks/study_table.py`` makes the table.
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.utils import set_determinism

import monai_tbkd
import monai_tbkd.networks
from monai_tbkd.data import image_labels, load_tbx11k
from monai_tbkd.data.whole_file import write_json
from monai_tbkd.engines.ablation_study import AblationStudy
from monai_tbkd.engines.feature_training import fit_components, keep_features
from monai_tbkd.engines.localization_study import COLUMNS, LocalizationStudy
from monai_tbkd.engines.shortcut_study import ShortcutStudy, phantom_items
from monai_tbkd.networks.bfloat16_support import has_bfloat16
from monai_tbkd.networks.checkpoint import file_sha256, write_checkpoint
from monai_tbkd.transforms import NOTICE

CONFIGS = Path(__file__).resolve().parent.parent / "configs" / "study"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_films(parser)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only_folds", type=int, nargs="+", metavar="FOLD", help="of them, to share the work")
    parser.add_argument("--films", type=int, help="a first look: so many films alone, drawn at random")
    parser.add_argument("--ablations", nargs="+", metavar="NAME", help="of protocol ablations: these alone")
    parser.add_argument("--output", type=Path, help="results of the cross-validation")
    parser.add_argument("--model", type=Path, help="instead: train the student on all films and write it here")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("ignite").setLevel(logging.WARNING)

    config = read_config(args)
    if args.ablations:
        config["ablations"] = _chosen(config.get("ablations") or {}, args.ablations)
    phantoms = "phantoms" in config
    if phantoms:
        items: list[Any] = phantom_items(args.dataset_dir, config["phantoms"])
    else:
        items = [i for i in load_tbx11k(args.dataset_dir) if i["class_name"] == "tb" and i["boxes"]]
        items = [items[i] for i in sorted(np.random.default_rng(0).permutation(len(items))[: args.films])]
    kept = films(config, items, args.cache)
    study = study_of(config)(config, items, kept)
    if args.model:
        if phantoms:
            parser.error("--model is for real films; phantom films make no model to use.")
        write_model(config, study, kept, args.seeds[0], args.model)
        return
    if not args.output:
        parser.error("give --output, or --model")
    folds = list(range(1 if phantoms else args.folds))
    if args.only_folds:
        if not set(args.only_folds) <= set(folds):
            parser.error(f"--only_folds {args.only_folds}: there are folds 0 to {folds[-1]}.")
        folds = args.only_folds
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for seed in args.seeds:
            for fold in folds:
                started = time.monotonic()
                set_determinism(seed=seed)
                writer.writerows(study.run(seed, fold, args.folds))
                file.flush()
                logging.info("seed %d, fold %d: %.0f s", seed, fold, time.monotonic() - started)


def add_films(parser: argparse.ArgumentParser) -> None:
    """Add what a study is of to a command line."""
    parser.add_argument("protocol", choices=sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    parser.add_argument("--dataset_dir", required=True, help="TBX11K as released")
    parser.add_argument("--weights", required=True, help="ResNet-50 from ImageNet")
    parser.add_argument("--lung_weights", help="lung-field network; without one the plain finder of the lungs' box")
    parser.add_argument("--stride_in_1x1", action="store_true", help="as the weights were trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, help="file for the features, to take up again")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other numbers of the config")


def read_config(args: argparse.Namespace) -> ConfigParser:
    config = ConfigParser(globals={"torch": torch, "monai_tbkd": monai_tbkd})
    # hemithorax.yaml has every number; the others lie over it
    config.read_config(list(dict.fromkeys([CONFIGS / "hemithorax.yaml", CONFIGS / f"{args.protocol}.yaml"])))
    given: dict[str, Any] = {
        "weights": args.weights, "lung_weights": args.lung_weights, "stride_in_1x1": args.stride_in_1x1,
    }  # fmt: skip
    for text in args.set:
        key, _, value = text.partition("=")
        if key not in config:
            parser_keys = ", ".join(k for k in config.get() if not k.startswith("_"))
            raise SystemExit(f"--set {text}: there is no {key}; known are {parser_keys}.")
        given[key] = type(config[key])(float(value)) if isinstance(config[key], int | float) else value
    config.update(given)
    return config


def _chosen(ablations: dict[str, Any], names: list[str]) -> dict[str, Any]:
    unknown = [name for name in names if name not in ablations]
    if unknown:
        known = ", ".join(ablations) or "none, since the protocol is not ablations"
        raise SystemExit(f"--ablations {' '.join(unknown)}: there is no such ablation; known are {known}.")
    return {name: ablations[name] for name in names}


def study_of(config: ConfigParser) -> type[LocalizationStudy]:
    return ShortcutStudy if "phantoms" in config else AblationStudy if "ablations" in config else LocalizationStudy


def films(config: ConfigParser, items: list[Any], cache: Path | None) -> dict[str, Any]:
    """Features, and place, lung field and asymmetry of each cut, from the cache if it is of these settings.

    With the config's ``teacher_preprocessing``, and ``view`` the film, features of that as well.
    """
    # weights by what is in the files, not by where they are
    key = {name: str(config[name]) for name in ("film_size", "image_size", "margin", "components", "fit_films")}
    key |= {name: str(config[name]) for name in ("output_stride", "stride_in_1x1")}
    key |= {name: str(config[name]) for name in ("phantoms", "view", "teacher_margin") if name in config}
    key |= {name: file_sha256(config[name]) if config[name] else "none" for name in ("weights", "lung_weights")}
    key["precision"] = "bfloat16" if has_bfloat16() else "float32"
    key["films"] = " ".join(item["name"] for item in items)
    if cache is not None and cache.is_file():
        kept = torch.load(cache, weights_only=True)
        if kept["key"] == key:
            return kept
        logging.info("%s is of other settings and is made anew.", cache)
    network = config.get_parsed_content("backbone").eval()
    started = time.monotonic()
    transform = config.get_parsed_content("preprocessing")
    keys = ("lung_crop", "lung_field", "asymmetry")
    data = image_labels(items)
    fit_components(
        network, [d for d, i in zip(data, items) if i["split"] == "train"], transform, films=config["fit_films"]
    )
    features, other = keep_features(network, data, transform, keys=keys)
    kept = {"key": key, "features": features, "reduce": network.reduce.state_dict(), **other}
    if "teacher_preprocessing" in config and config["view"] == "film":
        kept["teacher_features"] = keep_features(network, data, config.get_parsed_content("teacher_preprocessing"))[0]
    logging.info("features of %d films: %.0f s", len(items), time.monotonic() - started)
    if cache is not None:
        torch.save(kept, cache)
    return kept


def write_model(config: ConfigParser, study: LocalizationStudy, kept: dict[str, Any], seed: int, path: Path) -> None:
    """The student as ``configs/tbx11k.yaml`` builds it, its record, and its thresholds for inference beside it."""
    set_determinism(seed=seed)
    head, threshold, facts = study.final(seed)
    network = config.get_parsed_content("backbone")
    network.reduce.load_state_dict(kept["reduce"])
    network.head = head.cpu()
    network.architecture["convolutions"] = len(head.context)
    # not as "settings", by which a training of train.yaml is known: this one had others
    training = {"protocol": config["protocol"], "image_size": config["image_size"], **facts, "seed": seed}
    record = write_checkpoint(network, path, {"stage": "student", "training": training, "notice": NOTICE})
    point = {"map_threshold": threshold, "score_threshold": 0.0, "mode": "absolute", "chosen_on": facts["chosen_on"]}
    write_json(path.with_name("operating_point.json"), {**point, "model_sha256": record["sha256"]})
    logging.info("wrote %s and its record; every film gets boxes, since there were no films without TB", path)


if __name__ == "__main__":
    main()
