"""One fold of a localization study: teacher, control, students, and maps that must be beaten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from monai_tbkd.engines.feature_training import FeatureBatches, maps_of, train_head
from monai_tbkd.engines.half_labels import asymmetry_labels, confident_half_labels, side_labels
from monai_tbkd.metrics.bootstrap import area_under_roc
from monai_tbkd.metrics.map_processing import (
    Array,
    Processing,
    choose_processing,
    log_odds,
    place_cells,
    process,
)
from monai_tbkd.metrics.max_box_acc import film_box_ious, max_box_acc
from monai_tbkd.metrics.operating_point import choose_map_threshold
from monai_tbkd.metrics.pixel_average_precision import PXAP_THRESHOLDS, pixel_average_precision
from monai_tbkd.metrics.pixel_counts import pixel_counts
from monai_tbkd.metrics.place_anomaly import place_anomaly
from monai_tbkd.metrics.split_truth import SplitTruth
from monai_tbkd.metrics.union_mask_iou import union_iou_sweep
from monai_tbkd.transforms import MapToWholeFilm
from monai_tbkd.transforms.lung_crop import resample

COLUMNS = ("seed", "fold", "film", "predictor", "boxes_chose", "metric", "value")
ALL, NOTHING = "processing", "nothing"
"""What boxes of the selection split chose: smoothing, location prior and threshold; or nothing at all."""
_FRACTION = 0.1
_SURE = 6.0


class _Taught(NamedTuple):
    """What teachers give."""

    maps: Array
    """Mean of theirs, of all films, ``(N, H, W)`` logits on the fine grid."""
    rows: NDArray[np.int64]
    """Films that they learnt from."""
    labels: NDArray[np.int64]
    """Of halves, ``(N, 2)``, or of whole films, ``(N, 1)``."""
    gate: NDArray[np.int64]
    """Halves that may have disease in a student's target, ``(N, 2)``; the others have none."""
    before: dict[str, Array]
    """Maps that came before theirs, by name."""


class LocalizationStudy:
    """Runs folds of a study on kept features.

    Args:
        config: as ``configs/study/*.yaml``.
        items: TB films with boxes.
        films: ``features`` ``(N, 2 D, h, w)``, ``lung_crop`` ``(N, 4)``, ``lung_field`` ``(N, 1, h, w)`` and
            ``asymmetry`` ``(N, 2)``, in the order of the items.
    """

    def __init__(self, config: ConfigParser, items: Sequence[Mapping[str, Any]], films: Mapping[str, Any]) -> None:
        self.config, self.items, self.features = config, list(items), films["features"]
        self.places, self.asymmetry = films["lung_crop"].numpy().astype(np.float64), films["asymmetry"].numpy()
        self.fine, self.pixels = int(config["fine_grid"]), int(config["image_size"])
        self.stride = int(config["output_stride"])
        self.truth = SplitTruth(items, int(config["grid"]))
        self.sides = side_labels(items)
        self.cut_masks = self._cut(self.truth.masks) > 0.5  # (N, fine, fine)
        area = (self.places[:, 2] - self.places[:, 0]) * (self.places[:, 3] - self.places[:, 1])
        # true area in cells of the cut, with what lies beyond the cut
        self.true_area = np.maximum(
            self.truth.masks.mean(axis=(1, 2)) / area * self.fine**2, self.cut_masks.sum((1, 2))
        )
        self.upper_lungs = self._upper_lungs(films["lung_field"])
        self.to_film = MapToWholeFilm((self.truth.grid, self.truth.grid))

    def run(self, seed: int, fold: int, folds: int) -> list[tuple[Any, ...]]:
        """Train and score on one fold; rows of `COLUMNS`."""
        train, select, test = self.split(seed, fold, folds)
        prior = log_odds(self.cut_prior(select))
        maps, rows = self.predictors(train, select, prior, seed)
        zero = np.zeros_like(maps["student"])
        turned = test[np.random.default_rng(seed).permutation(len(test))]
        out: list[tuple[Any, ...]] = [(seed, fold, "", name, "", metric, value) for name, metric, value in rows]
        for name, logits in {**maps, "lung_prior": zero}.items():
            chosen = self.choose(logits, prior, select)
            out += self._scored(seed, fold, name, ALL, logits[test], prior, chosen, test)
            if name == "student":
                out += self._scored(seed, fold, "shuffled_student", ALL, logits[turned], prior, chosen, test)
            if name in ("teacher", "control", "lung_prior") and self.config["box_free"]:
                free = self._without_boxes(logits, select)
                out += self._film_rows(seed, fold, name, NOTHING, free[0][test], free[1], test)
            elif name == "box_free_student":
                threshold = self._share_threshold(logits, select)
                out += self._film_rows(seed, fold, name, NOTHING, logits[test], threshold, test)
                out += self._film_rows(seed, fold, f"shuffled_{name}", NOTHING, logits[turned], threshold, test)
        out += self._film_prior(seed, fold, select, test)
        return out + [row for name in maps for row in self._image_level(seed, fold, name, maps[name], test)]

    def final(self, seed: int) -> tuple[nn.Module, float, dict[str, Any]]:
        """The student of all films but those that select, for use.

        Returns:
            Its head; the threshold on TB probability, chosen on the selection films as inference draws maps: whole
            films, nothing smoothed and no prior; and facts of the training.
        """
        order = np.random.default_rng((seed, 0)).permutation(len(self.items))
        n = int(self.config["select"])
        select, train = np.sort(order[:n]), np.sort(order[n:])
        prior = log_odds(self.cut_prior(select))
        taught = self._teacher(train, select, prior, seed)
        head = self._distilled(self._target(taught.maps, prior, select), taught, train, seed)
        logits = self._maps(head)[select]
        maps = np.stack([
            self.to_film(torch.sigmoid(torch.from_numpy(one))[None], self.places[row])[0].numpy()
            for one, row in zip(logits, select)
        ])  # fmt: skip
        threshold, how = choose_map_threshold(maps, self.truth.masks[select], np.ones(n, dtype=bool))
        return head, threshold, {"train_films": len(train), "select_films": n, "chosen_on": f"selection films, {how}"}

    def split(self, seed: int, fold: int, folds: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Rows that train, select and test; each film is in the test fold once for each seed."""
        part = np.random.default_rng(seed).permutation(len(self.items)) % folds
        rest = np.random.default_rng((seed, fold)).permutation(np.flatnonzero(part != fold))
        n = int(self.config["select"])
        return np.sort(rest[n:]), np.sort(rest[:n]), np.flatnonzero(part == fold)

    # ---- training ----------------------------------------------------------------------------------------------------

    def predictors(
        self, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int
    ) -> tuple[dict[str, Array], list[tuple[str, str, float]]]:
        """Train all; their maps of all films in logits on the fine grid of the cut, by name, and facts of the fold."""
        return self._students(self._teacher(train, select, prior, seed), train, select, prior, seed)

    def _students(
        self, taught: _Taught, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int
    ) -> tuple[dict[str, Array], list[tuple[str, str, float]]]:
        """The control and all students of these teachers."""
        given = self._target(taught.maps, prior, select)
        maps = {"teacher": taught.maps, "control": self._control(taught, seed), **taught.before}
        maps["student"] = self._maps(self._distilled(given, taught, train, seed))
        gated = self._gated(given, taught.gate)
        boxed = train[self.truth.boxed[train]]
        facts = [("teacher", "target_miou_on_train", self._mean_iou(gated, boxed, np.zeros(1))[0])]
        facts += [("teacher", f"half_labels_{key}", value) for key, value in self._label_facts(taught, train).items()]
        for generation in range(1, int(self.config["generations"])):
            last = "student" if generation == 1 else f"student_generation_{generation}"
            given = self._target(maps[last], prior, select)
            head = self._distilled(given, taught, train, seed + generation)
            maps[f"student_generation_{generation + 1}"] = self._maps(head)
        if self.config["box_free"]:
            free, threshold = self._without_boxes(taught.maps, select)
            maps["box_free_student"] = self._maps(self._distilled(free - threshold, taught, train, seed))
        return maps, facts

    def _teacher(self, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int) -> _Taught:
        """Teachers trained from labels of halves, wherever those come from, or of whole films."""
        rows, labels, gate = train, self.sides, self.sides
        before: dict[str, Array] = {}
        how = self.config["side_labels"]
        if how == "asymmetry":
            labels, rows = asymmetry_labels(self.asymmetry, train, float(self.config["labeled_share"]))
            gate = np.ones_like(self.sides)  # both halves of a film with TB may have it
        elif how == "films":
            labels = self.truth.tb[:, None].astype(np.int64)
            gate = np.repeat(labels, 2, axis=1)
        elif how == "evidence":
            evidence = self._evidence(train)
            anywhere = _Taught(evidence, train, self.sides, np.ones_like(self.sides), {})
            reader = self._maps(self._distilled(self._target(evidence, prior, select), anywhere, train, seed))
            before = {"evidence": evidence, "reader": reader}
            labels, known = self._confident(reader, train)
            rows = train[known[train].all(axis=1)]
        elif how != "boxes":
            raise ValueError(f"side_labels is {how!r}; expected boxes, films, asymmetry or evidence.")
        number = int(self.config["teachers"])
        heads = [self._fit("teacher", "label_objective", rows, labels, None, (seed, n)) for n in range(number)]
        maps = np.asarray(np.mean([self._maps(head) for head in heads], axis=0), dtype=np.float32)
        if how == "evidence":
            both = maps / maps[select].std() + before["reader"] / before["reader"][select].std()
            sure, known = self._confident(both, train)
            gate = np.where(known, sure, 1)
        return _Taught(maps, rows, labels, gate, before)

    def _evidence(self, train: NDArray[np.int64]) -> Array:
        """What a film tells by itself: how unlike other films each place is, and which side is the denser one."""
        own = self.features[:, : int(self.config["anomaly_components"])].numpy()
        anomaly = place_anomaly(own, train)
        unlike = (self.asymmetry / np.maximum(self.asymmetry[train].std(axis=0), 1e-9)).mean(axis=1)
        cells = anomaly.shape[-1]
        side = np.sign(np.arange(cells) - (cells - 1) / 2)[None, None, :] * unlike[:, None, None]
        both = anomaly / anomaly[train].std() + float(self.config["side_factor"]) * side
        return place_cells(torch.from_numpy(both.astype(np.float32)), self.stride, self.pixels, self.fine)

    def _confident(self, maps: Array, train: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        scores = self._halves(maps)
        shares = float(self.config["positive_share"]), float(self.config["negative_share"])
        return confident_half_labels(scores, train, *shares)

    def _halves(self, maps: Array) -> NDArray[np.float32]:
        pooled = self.config.get_parsed_content("pooling")(torch.from_numpy(maps)[:, None])
        return np.asarray(pooled.numpy().reshape(len(maps), 2))

    def _label_facts(self, taught: _Taught, train: NDArray[np.int64]) -> dict[str, float]:
        """How right the labels are that teachers learn from, and how right what closes halves to the student is."""
        if taught.labels.shape[1] == 1:  # of films, and always right
            return {"films": float(len(taught.rows))}
        right = taught.labels[taught.rows] == self.sides[taught.rows]
        negative = taught.labels[taught.rows] == 0
        closed = taught.gate[train] == 0
        return {
            "films": float(len(taught.rows)),
            "right": float(right.mean()),
            "right_of_negative": float(right[negative].mean()) if negative.any() else float("nan"),
            "right_of_closed": float((self.sides[train][closed] == 0).mean()) if closed.any() else float("nan"),
        }

    def _target(self, logits: Array, prior: Array, select: NDArray[np.int64]) -> Array:
        """What a student learns from these maps: as they do best on the selection films, above 0 where they find TB."""
        chosen = self.choose(logits, prior, select)
        return process(logits, prior, chosen.smoothing, chosen.factor, chosen.prior) - chosen.threshold

    def _control(self, taught: _Taught, seed: int) -> Array:
        """Maps of the student's network, trained from the teachers' labels alone."""
        return self._maps(self._fit("student", "label_objective", taught.rows, taught.labels, None, (seed, 100)))

    def _untaught(
        self, taught: _Taught, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int
    ) -> Array:
        """Maps of a student of no teacher, whose target is location prior and labels alone."""
        target = self._target(np.zeros_like(taught.maps), prior, select)
        return self._maps(self._distilled(target, taught, train, seed))

    def _distilled(self, logits: Array, taught: _Taught, train: NDArray[np.int64], seed: int) -> nn.Module:
        targets = self._cell_targets(logits, taught.gate)
        return self._fit("student", "cell_objective", train, taught.labels, targets, (seed, 100))

    def _cell_targets(self, logits: Array, gate: NDArray[np.int64]) -> torch.Tensor:
        return self._at_cells(float(self.config["target_sharpness"]) * self._gated(logits, gate))

    def _fit(
        self,
        which: str,
        objective: str,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        targets: torch.Tensor | None,
        seed: tuple[int, int],
    ) -> nn.Module:
        torch.manual_seed(1000 * seed[0] + seed[1])
        head, device = self.config.get_parsed_content(f"{which}_head")(), self.config.get_parsed_content("device")
        batches = FeatureBatches(
            self.features, rows, torch.from_numpy(labels), int(self.config["batch_size"]), targets,
            seed=1000 * seed[0] + seed[1],
        )  # fmt: skip
        return train_head(
            head.to(device),
            batches,
            self.config.get_parsed_content(objective),
            int(self.config[f"{which}_epochs"]),
            float(self.config["learning_rate"]),
            float(self.config["weight_decay"]),
            device,
        )

    def _maps(self, head: nn.Module) -> Array:
        maps = maps_of(head, self.features, self.pixels, self.stride)[:, 0]
        return place_cells(maps, self.stride, self.pixels, self.fine)

    def _gated(self, logits: Array, gate: NDArray[np.int64]) -> Array:
        """Logits with a half that has no disease by its label made sure of it."""
        middle = (0.5 - self.places[:, 0]) / (self.places[:, 2] - self.places[:, 0])  # the film's middle on the cut
        columns = (np.arange(self.fine) + 0.5) / self.fine
        open_ = np.where(columns[None] < middle[:, None], gate[:, :1], gate[:, 1:])[:, None, :]
        return np.where(open_ > 0, logits, np.float32(-_SURE))

    def _at_cells(self, logits: Array) -> torch.Tensor:
        """Logits ``(N, H, W)`` of films and of their mirror images at the cells of maps, ``(N, 2, 1, h, w)``."""
        cells = self.features.shape[-1]
        at = (torch.arange(cells) * self.stride + 0.5) / self.pixels * 2 - 1
        grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)[None].expand(len(logits), -1, -1, -1)
        plain = torch.sigmoid(torch.from_numpy(logits))[:, None]
        both = [F.grid_sample(x, grid, padding_mode="border", align_corners=False) for x in (plain, plain.flip(-1))]
        return torch.logit(torch.stack(both, dim=1).clamp(1e-4, 1 - 1e-4))

    # ---- what is chosen ----------------------------------------------------------------------------------------------

    def choose(self, logits: Array, prior: Array, select: NDArray[np.int64]) -> Processing:
        """The processing of these maps that is best on the selection films."""
        return choose_processing(
            logits[select], prior, lambda maps, steps: self._mean_iou(maps, select, steps, whole=False),
            list(self.config["smoothing"]), list(self.config["factors"]),
        )  # fmt: skip

    def _without_boxes(self, logits: Array, select: NDArray[np.int64]) -> tuple[Array, float]:
        """Maps on the upper lungs' prior, and the threshold that a fixed share of the selection films' area reaches."""
        sigma, factor = float(self.config["box_free_smoothing"]), float(self.config["box_free_factor"])
        processed = process(logits, self.upper_lungs, sigma, factor, True)
        return processed, self._share_threshold(processed, select)

    def _share_threshold(self, logits: Array, select: NDArray[np.int64]) -> float:
        areas = (self.places[select, 2] - self.places[select, 0]) * (self.places[select, 3] - self.places[select, 1])
        values = logits[select].reshape(len(select), -1)
        weights = np.repeat(areas / values.shape[1], values.shape[1])  # shares of a film's area
        order = np.argsort(-values, axis=None)
        reached = np.cumsum(weights[order]) / len(select)
        return float(values.ravel()[order[min(int(np.searchsorted(reached, _FRACTION)), len(order) - 1)]])

    def _mean_iou(
        self, maps: Array, rows: NDArray[np.int64], steps: NDArray[np.floating], whole: bool = True
    ) -> NDArray[np.float64]:
        """Mean union-mask IoU on cuts at each threshold; maps are of all films, or (not ``whole``) of these rows."""
        mine = maps[rows] if whole else maps
        counts = pixel_counts(_unit(mine), self.cut_masks[rows], _unit_steps(steps))
        union = counts.predicted + self.true_area[rows][:, None] - counts.hit
        return np.asarray((counts.hit / np.maximum(union, 1)).mean(axis=0))

    # ---- what is measured --------------------------------------------------------------------------------------------

    def _scored(
        self, seed: int, fold: int, name: str, how: str, logits: Array, prior: Array, chosen: Processing,
        test: NDArray[np.int64],
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        processed = process(logits, prior, chosen.smoothing, chosen.factor, chosen.prior)
        facts = [(seed, fold, "", name, how, key, value) for key, value in chosen._asdict().items()]
        return facts + self._film_rows(seed, fold, name, how, processed, chosen.threshold, test)

    def _film_rows(
        self, seed: int, fold: int, name: str, how: str, logits: Array, threshold: float, test: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        """Rows of films and of the fold, measured on whole films."""
        unit = _unit(logits)
        maps = np.stack([
            self.to_film(torch.from_numpy(one)[None], self.places[row])[0].numpy() for one, row in zip(unit, test)
        ])  # fmt: skip
        return self._measured(seed, fold, name, how, maps, float(_unit_steps(np.array([threshold]))[0]), test)

    def _film_prior(
        self, seed: int, fold: int, select: NDArray[np.int64], test: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        """The blind location prior of whole films, and the whole film itself."""
        masks = self.truth.masks
        prior = masks[select].mean(axis=0).astype(np.float32)
        steps = np.unique(prior[prior > 0])
        at = union_iou_sweep(np.repeat(prior[None], len(select), 0), masks[select], steps).mean(axis=0).argmax()
        rows = self._measured(
            seed, fold, "blind_prior", ALL, np.repeat(prior[None], len(test), 0), float(steps[at]), test
        )
        return rows + self._measured(
            seed, fold, "whole_film", NOTHING, np.ones_like(masks[test], np.float32), 0.5, test
        )

    def _measured(
        self, seed: int, fold: int, name: str, how: str, maps: Array, threshold: float, test: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        masks = self.truth.masks[test]
        iou = union_iou_sweep(maps, masks, np.array([threshold]))[:, 0]
        peaks = maps.reshape(len(test), -1).argmax(axis=1)
        hit = masks.reshape(len(test), -1)[np.arange(len(test)), peaks]
        rows: list[tuple[Any, ...]] = []
        for row, one, point in zip(test, iou, hit):
            film = self.items[row]["name"]
            rows.append((seed, fold, film, name, how, "union_mask_iou", round(float(one), 5)))
            rows.append((seed, fold, film, name, how, "pointing_game", int(point)))
        if not self.config["curves"]:
            return rows
        stretched = np.stack([(m - m.min()) / max(float(np.ptp(m)), 1e-12) for m in maps])
        accuracy = max_box_acc(film_box_ious(stretched, [self.truth.boxes[i] for i in test], components="all"))
        pxap = pixel_average_precision(pixel_counts(maps, masks, PXAP_THRESHOLDS))
        rows.append((seed, fold, "", name, how, "max_box_acc_v2", round(float(accuracy.accuracy.mean()), 5)))
        rows.append((seed, fold, "", name, how, "pxap", round(float(np.ravel(pxap)[0]), 5)))
        return rows

    def _image_level(
        self, seed: int, fold: int, name: str, logits: Array, test: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        """Rows of what raw maps tell of whole labels."""
        films = {"half_auc": None, "which_side_auc": self.sides.sum(axis=1) == 1}
        return [(seed, fold, "", name, "", key, self._side_auc(logits, test, kept)) for key, kept in films.items()]

    def _side_auc(self, logits: Array, test: NDArray[np.int64], films: NDArray[np.bool_] | None) -> float:
        """AUC of halves with a box, or, given films with one half alone, of which half it is."""
        pooled = self._halves(logits[test])
        if films is None:
            return round(area_under_roc(pooled.ravel(), self.sides[test].ravel() > 0), 5)
        kept = films[test]
        return round(area_under_roc((pooled[:, 1] - pooled[:, 0])[kept], self.sides[test][kept, 1] > 0), 5)

    # ---- films -------------------------------------------------------------------------------------------------------

    def _cut(self, masks: NDArray[Any]) -> Array:
        films = torch.from_numpy(masks.astype(np.float32))[:, None, None]
        size = (self.fine, self.fine)
        return np.stack([resample(film, place, size)[0, 0].numpy() for film, place in zip(films, self.places)])

    def cut_prior(self, select: NDArray[np.int64]) -> Array:
        """How often each place of the cut lies in a box of the selection films, smoothed, ``(fine, fine)``."""
        return np.asarray(ndimage.gaussian_filter(self.cut_masks[select].mean(axis=0).astype(np.float32), 2.0))

    def _upper_lungs(self, fields: torch.Tensor) -> Array:
        """Logits of the lung field times a weight that falls from the apex to the base."""
        field = F.interpolate(fields.float(), size=(self.fine, self.fine), mode="bilinear", align_corners=False)[:, 0]
        margin = float(self.config["margin"])
        rows = ((np.arange(self.fine) + 0.5) / self.fine - margin) / (1 - 2 * margin)
        weight = np.clip(1 - rows, 0.02, 1).astype(np.float32)[None, :, None]
        return log_odds(np.clip(ndimage.gaussian_filter(field.numpy(), (0, 3, 3)) * weight, 0.01, 0.95))


def _unit(logits: Array) -> Array:
    """Logits as values of 0-1, in the same order, that do not crowd at the ends."""
    return np.asarray(0.5 + np.arctan(logits / 3.0) / np.pi, dtype=np.float32)


def _unit_steps(steps: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(_unit(np.asarray(steps, dtype=np.float32)), dtype=np.float64)
