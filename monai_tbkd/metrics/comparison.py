"""Teacher, control, student and blind baselines in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from monai_tbkd.metrics.best_box_iou import BestBoxIoU
from monai_tbkd.metrics.blind_baselines import center_box, location_prior
from monai_tbkd.metrics.bootstrap import Interval, area_under_roc, bootstrap_mean, bootstrap_ratio, bootstrap_statistic
from monai_tbkd.metrics.pointing_game import PointingGame
from monai_tbkd.metrics.union_mask_iou import union_iou_sweep
from monai_tbkd.transforms import MapToBoxes, box_masks, film_box_mask, rescale_boxes, stretch_map

BLIND_PRIOR = "blind_prior"
CENTER_BOX = "center_box"


class Predictions(NamedTuple):
    """What a predictor says of the films of a split, in their order."""

    maps: np.ndarray
    """TB maps ``(N, h, w)`` of 0-1."""
    scores: np.ndarray | None
    """TB scores ``(N,)`` of 0-1; None for a predictor that does not look at films."""


class PerFilm(NamedTuple):
    """A predictor's numbers, one a film of the reported split; nan where a film has none."""

    union_mask_iou: np.ndarray
    box_union_iou: np.ndarray
    best_box_iou_sum: np.ndarray
    true_boxes: np.ndarray
    pointing: np.ndarray
    false_boxes: np.ndarray


class Comparison:
    """Scores predictors on a reported split, with everything that is chosen chosen on a selection split.

    Each predictor, blind ones included, goes through the same steps: its map threshold is the one with the best mean
    union-mask IoU on the TB films of the selection split; its score threshold the one with the best sensitivity plus
    specificity there; boxes are fitted by the same settings. Films whose boxes are unknown take no part in
    localization.

    Args:
        train_items: datalist items; their boxes fit the blind location prior and nothing else.
        select_items: films of the selection split.
        test_items: films of the reported split.
        grid: cells along each side of the square grid on which masks are compared.
        mode: ``absolute`` or ``relative`` thresholds, see :class:`~monai_tbkd.transforms.MapToBoxes`.
        smallest_area: see there.
        largest_number: see there.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        ValueError: a split without TB films that have boxes, or a film in both splits.
    """

    def __init__(
        self,
        train_items: Sequence[Mapping[str, Any]],
        select_items: Sequence[Mapping[str, Any]],
        test_items: Sequence[Mapping[str, Any]],
        grid: int = 256,
        mode: str = "absolute",
        smallest_area: float = 0.002,
        largest_number: int = 8,
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        both = {i["name"] for i in select_items} & {i["name"] for i in test_items}
        if both:
            raise ValueError(
                f"{len(both)} films are in the selection split and in the reported one (first: {sorted(both)[0]}); "
                "a threshold must not be chosen on films that are reported."
            )
        self.grid, self.mode = grid, mode
        self.items = {"select": list(select_items), "test": list(test_items)}
        for split, items in self.items.items():
            if not items:
                raise ValueError(f"The {split} split has no film; give it some with --{split} (a share of the films).")
        self.prior = location_prior(train_items, grid)
        self.masks = {s: np.stack([film_box_mask(i, grid) for i in items]) for s, items in self.items.items()}
        for split, masks in self.masks.items():
            if not masks.any():
                raise ValueError(
                    f"The {split} split has {len(masks)} films and none with boxes, so nothing can be localized on it; "
                    "give annotations for some of its TB films."
                )
        self.fit: dict[str, Any] = {"mode": mode, "smallest_area": smallest_area, "largest_number": largest_number}
        self.resamples, self.seed = resamples, seed

    def run(self, predictors: Mapping[str, Mapping[str, Predictions]]) -> dict[str, Any]:
        """Compare.

        Args:
            predictors: by name, such as ``student``; each with predictions for ``select`` and ``test``.

        Returns:
            JSON-able: ``splits`` and ``predictors``, each of the latter with its numbers and intervals, its thresholds
            and where they were chosen, and paired differences to every other predictor.
        """
        everyone = {**predictors, **self._blind()}
        rows: dict[str, dict[str, Any]] = {}
        films: dict[str, PerFilm] = {}
        for name, by_split in everyone.items():
            points = self.choose(by_split["select"])
            films[name] = self._per_film(by_split["test"], points)
            rows[name] = {**self._summary(films[name], by_split["test"]), "operating_point": points}
        for name, row in rows.items():
            row["union_mask_miou_minus"] = {
                other: self._mean(films[name].union_mask_iou - films[other].union_mask_iou).as_dict()
                for other in rows
                if other != name
            }
            if name not in (BLIND_PRIOR, CENTER_BOX):
                row["above_blind_prior"] = bool(row["union_mask_miou_minus"][BLIND_PRIOR]["low"] > 0)
        return {"splits": {s: self._split_counts(s) for s in self.items}, "predictors": rows}

    def choose(self, select: Predictions) -> dict[str, Any]:
        """The thresholds of a predictor, chosen on the selection split.

        Returns:
            ``map_threshold``, ``score_threshold`` (None for a blind predictor), ``chosen_on`` and ``mode``.
        """
        maps = self._on_grid(select.maps)
        positive = self.masks["select"].any(axis=(1, 2))
        # Quantiles, as logit-like maps crowd near 0 or 1, where an even grid would have no steps.
        candidates = np.unique(np.quantile(maps[positive], np.linspace(0.3, 0.999, 200)))
        candidates = candidates[candidates > 0] if (candidates > 0).any() else np.array([1.0])
        iou = union_iou_sweep(maps, self.masks["select"], candidates)
        best = candidates[int(np.nanmean(iou, axis=0).argmax())]
        return {
            "map_threshold": float(best),
            "score_threshold": self._youden(select.scores),
            "mode": self.mode,
            "chosen_on": f"select split, {int(positive.sum())} TB films with boxes",
        }

    def box_fitting(self, points: Mapping[str, Any]) -> MapToBoxes:
        """Maps to boxes as a predictor with this operating point is scored."""
        return MapToBoxes(
            (self.grid, self.grid),
            threshold=points["map_threshold"],
            score_threshold=points["score_threshold"] or 0.0,
            **self.fit,
        )

    def _youden(self, scores: np.ndarray | None) -> float | None:
        if scores is None:
            return None
        tb = self._is_tb("select")
        if not tb.any() or tb.all():
            return 0.5
        edges = np.unique(scores)
        candidates = np.concatenate([[0.0], (edges[1:] + edges[:-1]) / 2])
        value = [(scores[tb] >= c).mean() - (scores[~tb] >= c).mean() for c in candidates]
        return float(candidates[int(np.argmax(value))])

    def _per_film(self, test: Predictions, points: Mapping[str, Any]) -> PerFilm:
        maps, truth, n = self._on_grid(test.maps), self.masks["test"], self.grid
        to_boxes = self.box_fitting(points)
        best_box, pointing = BestBoxIoU(), PointingGame()
        boxes = [
            to_boxes(torch.from_numpy(m)[None], None if test.scores is None else float(test.scores[i])).boxes
            for i, m in enumerate(maps)
        ]
        drawn = np.stack([box_masks(b, (n, n)) if len(b) else np.zeros((n, n), bool) for b in boxes])
        for item, predicted in zip(self.items["test"], boxes):
            true = rescale_boxes(torch.tensor(item["boxes"] or []), item["size"], (n, n))
            best_box([predicted], [true])
        pointing(torch.from_numpy(maps)[:, None], torch.from_numpy(truth)[:, None])
        sums = torch.as_tensor(best_box.get_buffer()).numpy()
        return PerFilm(
            union_mask_iou=union_iou_sweep(maps, truth, np.array([points["map_threshold"]]))[:, 0],
            box_union_iou=union_iou_sweep(drawn.astype(np.float32), truth, np.array([0.5]))[:, 0],
            best_box_iou_sum=np.where(sums[:, 1] > 0, sums[:, 0], np.nan),
            true_boxes=sums[:, 1],
            pointing=torch.as_tensor(pointing.get_buffer()).numpy()[:, 0],
            false_boxes=np.where(self._is_tb("test"), np.nan, [float(len(b)) for b in boxes]),
        )

    def _summary(self, film: PerFilm, test: Predictions) -> dict[str, Any]:
        tb = self._is_tb("test")
        numbers: dict[str, Any] = {
            "union_mask_miou": self._mean(film.union_mask_iou).as_dict(),
            "box_union_miou": self._mean(film.box_union_iou).as_dict(),
            "best_box_iou": bootstrap_ratio(
                film.best_box_iou_sum, film.true_boxes, self.resamples, seed=self.seed
            ).as_dict(),
            "pointing_game": self._mean(film.pointing).as_dict(),
            "false_boxes_per_film_without_tb": self._mean(film.false_boxes).as_dict(),
            "auc": None,
        }
        if test.scores is not None:
            scores = test.scores
            numbers["auc"] = bootstrap_statistic(
                lambda index: area_under_roc(scores[index], tb[index]), len(scores), self.resamples, seed=self.seed
            ).as_dict()
        return numbers

    def _blind(self) -> dict[str, dict[str, Predictions]]:
        maps = {BLIND_PRIOR: self.prior, CENTER_BOX: center_box(self.grid)}
        return {
            name: {s: Predictions(np.repeat(m[None], len(items), axis=0), None) for s, items in self.items.items()}
            for name, m in maps.items()
        }

    def _is_tb(self, split: str) -> np.ndarray:
        return np.array([i["class_name"] == "tb" for i in self.items[split]])

    def _mean(self, values: np.ndarray) -> Interval:
        return bootstrap_mean(values, self.resamples, seed=self.seed)

    def _on_grid(self, maps: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(np.asarray(maps, dtype=np.float32))[:, None]
        if tensor.shape[-2:] != (self.grid, self.grid):
            tensor = F.interpolate(tensor, size=(self.grid, self.grid), mode="bilinear", align_corners=False)
        return (stretch_map(tensor) if self.mode == "relative" else tensor)[:, 0].numpy()

    def _split_counts(self, split: str) -> dict[str, int]:
        items = self.items[split]
        classes = sorted({i["class_name"] for i in items})
        counts = {f"{c}_films": sum(i["class_name"] == c for i in items) for c in classes}
        return {"films": len(items), **counts, "tb_films_with_boxes": int(self.masks[split].any(axis=(1, 2)).sum())}


def table(result: Mapping[str, Any]) -> str:
    """The comparison as text: a row a predictor, each number with its 95 % interval."""

    def cell(x: Mapping[str, Any] | None) -> str:
        return "-" if not x or x["value"] is None else f"{x['value']:.3f} [{x['low']:.3f}, {x['high']:.3f}]"

    head = ("predictor", "union-mask mIoU", "minus blind prior", "best box IoU", "pointing game", "AUC", "verdict")
    rows = [head]
    for name, r in result["predictors"].items():
        verdict = {True: "above the blind prior", False: "NOT above the blind prior", None: "blind"}
        rows.append(
            (
                name,
                cell(r["union_mask_miou"]),
                cell(r["union_mask_miou_minus"].get(BLIND_PRIOR)),
                cell(r["best_box_iou"]),
                cell(r["pointing_game"]),
                cell(r["auc"]),
                verdict[r.get("above_blind_prior")],
            )
        )
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip() for r in rows]
    n = result["splits"]["test"]
    note = (
        f"test: {n['films']} films, {n['tb_films_with_boxes']} TB films with boxes; 95 % bootstrap intervals over films"
    )
    return "\n".join([*lines, note])
