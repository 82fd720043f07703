"""Forty corrections of an annotator, simulated on phantom images: what do they change, and does it matter which images?

    python benchmarks/annotator_corrections.py --work outputs/corrections [--seeds 0 1 2]
    python benchmarks/annotator_corrections_table.py outputs/corrections/images.csv

For each seed a teacher and a student are trained on the images of one place (its side letters, text lines and borders
agree with the label), an annotator works on those of another, where they do not. A strategy names ten images, the
annotator labels them and draws their boxes (the phantom's truth), the student is fine-tuned by
``bundle/configs/label_finetune.yaml`` on all corrections so far, and so on, four times. After each round the model that
would be served then is measured on 100 TB images and 60 others of the second place that no one has seen.
A call that was broken off goes on with the runs that images.csv lacks.

Ways: ``distilled`` is the default; ``control`` the same without distillation; ``boxes`` and ``boxes_control`` with
drawn boxes as supervision of the map. Beside them, on the same corrections: ``threshold`` trains nothing and chooses
the threshold anew; ``blind`` has no model, its map is how often a place lies in a drawn box.
"""

from __future__ import annotations

import argparse
import csv
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from monai.metrics import ROCAUCMetric

from monai_tbkd.data import Correction, load_tbx11k, write_corrections
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.engines import correction_images, image_maps, load_operating_point, load_trained
from monai_tbkd.engines.fine_tuning import threshold_of_boxes, true_masks
from monai_tbkd.engines.stages import finished_part
from monai_tbkd.label.image_signals import map_disagreement, score_uncertainty
from monai_tbkd.metrics import union_iou_sweep
from monai_tbkd.metrics.blind_baselines import location_prior
from monai_tbkd.transforms import MapToTBScore

ROOT = Path(__file__).resolve().parent.parent
TRAIN, DEMO, FINETUNE = (
    str(ROOT / part)
    for part in ("bundle/configs/train.yaml", "configs/demo.yaml", "bundle/configs/label_finetune.yaml")
)
COLUMNS = ("seed", "way", "strategy", "corrections", "image", "metric", "value")
STRATEGIES = ("random", "uncertain_score", "disagreement")
NO_DISTILLATION = {f"finetune_{name}_weight": 0.0 for name in ("logit", "map", "cell")}
WAYS: dict[str, dict[str, Any]] = {
    "distilled": {},
    "control": NO_DISTILLATION,
    "boxes": {"box_weight": 1.0},
    "boxes_control": {"box_weight": 1.0, **NO_DISTILLATION},
}
EVERY_STRATEGY = ("distilled", "boxes")  # the controls are run with images at random
ROUNDS, PER_ROUND = 4, 10
CUES = ("letter", "text", "border")
SMALL = {"num_workers": 0, "progress_bar": False, "device": "$torch.device('cpu')"}

logger = logging.getLogger("annotator_corrections")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for images, models and results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)
    args.work.mkdir(parents=True, exist_ok=True)
    tested = images_of(args.work / "tested", 100, {"health": 40, "sick": 20, "tb": 100})
    done = keep_finished(args.work / "images.csv")
    with (args.work / "images.csv").open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for seed in args.seeds:
            models = base_model(args.work, seed)
            pool = images_of(args.work / f"pool_{seed}", 200 + seed, {"health": 50, "sick": 30, "tb": 80})
            for way in args.ways:
                numbers = WAYS[way]
                for strategy in STRATEGIES if way in EVERY_STRATEGY else STRATEGIES[:1]:
                    if (str(seed), way, strategy) in done:
                        continue
                    started = time.process_time()
                    annotator = Annotator(args.work / "run", models, pool, tested, seed, strategy)
                    rows = list(annotator.rounds(numbers))
                    if way == "distilled":
                        for reference, others in annotator.references.items():
                            writer.writerows((seed, reference, strategy, *row) for row in others)
                    writer.writerows((seed, way, strategy, *row) for row in rows)
                    file.flush()
                    logger.info("seed %d %s %s: %.0f s of CPU", seed, way, strategy, time.process_time() - started)


def keep_finished(path: Path) -> set[tuple[str, str, str]]:
    """Leave the table with the runs that came to their end, if any did; another call goes on with the others.

    Returns:
        Seed, way and strategy of each.
    """
    rows: list[list[str]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)][1:]
    last = str(ROUNDS * PER_ROUND)
    # the row that is written last
    done = {(row[0], row[1], row[2]) for row in rows if (row[3], row[5]) == (last, "with_tb")}
    references = {(seed, way, strategy) for seed, _, strategy in done for way in ("threshold", "blind")}
    kept = [row for row in rows if (row[0], row[1], row[2]) in done | references]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([list(COLUMNS), *kept])
    return done


def images_of(folder: Path, seed: int, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Images of the annotator's place, where cues agree with the label as often as not."""
    write_phantom_dataset(folder, counts, {}, 192, seed, 0.5, 0.5, CUES)
    return load_tbx11k(folder)


def base_model(work: Path, seed: int) -> Path:
    """Teacher and student of the first place, with the student's thresholds."""
    data, models = work / f"home_{seed}", work / f"models_{seed}"
    if not (models / "operating_point.json").is_file():
        home = {"health": 60, "sick": 30, "tb": 90}
        write_phantom_dataset(data, home, {"health": 6, "sick": 4, "tb": 10}, 192, seed, 0.9, 0.9, CUES)
        positions = {"dataset_dir": str(data), "ckpt_dir": str(models), "output_dir": str(work / "home_out")}
        evaluate = str(ROOT / "bundle/configs/evaluate.yaml")
        for configs in ([TRAIN, DEMO], [TRAIN, evaluate, DEMO]):
            run_config(configs, "run", seed=seed, **positions)
    return models


def run_config(configs: list[str], run_id: str, **values: Any) -> ConfigWorkflow:
    """As ``python -m monai.bundle run``, in this process."""
    workflow = ConfigWorkflow(configs, run_id=run_id, workflow_type="train", logging_file=False, **SMALL, **values)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow


class Annotator:
    """Works through images that a strategy names, and has the student fine-tuned after every ten."""

    def __init__(
        self,
        work: Path,
        models: Path,
        pool: list[dict[str, Any]],
        tested: list[dict[str, Any]],
        seed: int,
        strategy: str,
    ) -> None:
        shutil.rmtree(work, ignore_errors=True)
        self.work, self.models, self.seed, self.strategy = work, work / "models", seed, strategy
        shutil.copytree(models, self.models)
        self.pool, self.random = pool, np.random.default_rng(seed)
        positions = {"dataset_dir": "unused", "ckpt_dir": str(self.models), "output_dir": str(work)}
        parsed = ConfigWorkflow(
            [TRAIN, DEMO, FINETUNE],
            run_id="run_finetune",
            workflow_type="train",
            logging_file=False,
            **SMALL,
            **positions,
        ).parser.get_parsed_content
        self.grid, self.network, self.pooling = parsed("grid"), parsed("network_def"), parsed("pooling")
        self.size = parsed("image_size")
        self.to_network, self.to_map = parsed("finetune::to_network"), parsed("finetune::to_map")
        read = parsed("finetune::read")
        self.pool_images, self.tested = (correction_images(items, [], read) for items in (pool, tested))
        self.teacher = finished_part(self.models / "teacher.pt", self.network, "teacher", parsed("teacher_view"))
        self.teacher_maps = self.maps(self.teacher, self.pool_images)
        boxed = [image for image in self.tested if image["tb"]]
        self.boxed, self.boxed_masks = boxed, true_masks(boxed)
        self.references: dict[str, list[tuple[Any, ...]]] = {"threshold": [], "blind": []}

    def rounds(self, numbers: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Rows of (corrections, image, metric, value)."""
        yield from self.measured(0, {})
        base = load_trained(self.network, self.models / "model.pt", self.pooling, self.size)
        base_pool, base_tested = self.maps(base, self.pool_images), self.maps(base, self.boxed)
        served = self.point()
        done: list[int] = []
        for number in range(PER_ROUND, PER_ROUND * ROUNDS + 1, PER_ROUND):
            done += self.next_images([i for i in range(len(self.pool)) if i not in done])[:PER_ROUND]
            corrected = [self.pool[i] for i in done]
            said = [Correction(i["image"], i["class_name"] == "tb", _boxes(i)) for i in corrected]
            run_config(
                [TRAIN, DEMO, FINETUNE],
                "run_finetune",
                dataset_dir=str(write_corrections(self.work / "manifest.csv", said)),
                unlabeled=[item["image"] for i, item in enumerate(self.pool) if i not in done],
                ckpt_dir=str(self.models),
                output_dir=str(self.work / "out"),
                seed=self.seed,
                largest_drop=1.0,  # here a bad result is to be seen, not refused
                **numbers,
            )
            yield from self.measured(number, {"with_tb": sum(each.tb for each in said)})
            self.refer(number, [i for i in done if self.pool[i]["boxes"]], base_pool, base_tested, served)

    def next_images(self, left: list[int]) -> list[int]:
        """What is left, the most wanted first."""
        if self.strategy == "random":
            return [left[i] for i in self.random.permutation(len(left))]
        student = load_trained(self.network, self.models / "model.pt", self.pooling, self.size)
        images = [self.pool_images[i] for i in left]
        if self.strategy == "disagreement":
            value = map_disagreement(self.maps(student, images), self.teacher_maps[left])
        else:
            value = score_uncertainty(self.scores(student, images), float(self.point()["score_threshold"]))
        return [left[i] for i in np.argsort(-value, kind="stable")]

    def measured(self, number: int, facts: dict[str, float]) -> Iterator[tuple[Any, ...]]:
        """The served model on the images that no one has seen."""
        network = load_trained(self.network, self.models / "model.pt", self.pooling, self.size)
        point = self.point()
        yield from self.image_rows(number, self.maps(network, self.boxed), float(point["map_threshold"]))
        auc = ROCAUCMetric()
        auc(
            torch.from_numpy(self.scores(network, self.tested))[:, None],
            torch.tensor([[int(image["tb"])] for image in self.tested]),
        )
        more = {"auc": float(auc.aggregate()), "map_threshold": float(point["map_threshold"]), **facts}
        yield from ((number, "", name, value) for name, value in more.items())

    def refer(
        self, number: int, boxed: list[int], base_pool: np.ndarray, base_tested: np.ndarray, served: dict[str, Any]
    ) -> None:
        """What the same corrections give without any training."""
        masks = true_masks([self.pool_images[i] for i in boxed]) if boxed else np.zeros((0, self.grid, self.grid), bool)
        chosen = threshold_of_boxes(base_pool[boxed], masks, served)
        self.references["threshold"] += self.image_rows(number, base_tested, chosen.value)
        if boxed:
            prior = location_prior([self.pool[i] for i in boxed], self.grid)
            chosen = threshold_of_boxes(np.repeat(prior[None], len(boxed), 0), masks, served, fewest_boxed=1)
            maps = np.repeat(prior[None], len(self.boxed), 0)
            self.references["blind"] += self.image_rows(number, maps, chosen.value)

    def image_rows(self, number: int, maps: np.ndarray, threshold: float) -> list[tuple[Any, ...]]:
        iou = union_iou_sweep(maps, self.boxed_masks, np.array([threshold]))[:, 0]
        return [
            (number, image["name"], "union_mask_iou", f"{value:.5f}")
            for image, value in zip(self.boxed, iou, strict=True)
        ]

    def maps(self, network: torch.nn.Module, images: list[dict[str, Any]]) -> np.ndarray:
        return image_maps(network, images, self.to_network, self.to_map, self.grid)

    def scores(self, network: torch.nn.Module, images: list[dict[str, Any]]) -> np.ndarray:
        to_score = MapToTBScore(self.pooling)
        with torch.no_grad():
            preds = [network(torch.as_tensor(self.to_network({"image": f["image"]})["image"])[None])[0] for f in images]
        return np.array([float(to_score(pred)) for pred in preds])

    def point(self) -> dict[str, Any]:
        return load_operating_point(self.models / "operating_point.json", self.models / "model.pt")


def _boxes(item: dict[str, Any]) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in item["boxes"] or [])


if __name__ == "__main__":
    main()
