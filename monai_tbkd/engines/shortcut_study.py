"""A study on phantom films with a shortcut that agrees with the label in training and is turned around in the test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray

from monai_tbkd.data import load_tbx11k
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.data.phantom.recipe import RECIPE_FILE
from monai_tbkd.engines.localization_study import ALL, NOTHING, LocalizationStudy, _Taught
from monai_tbkd.metrics.bootstrap import area_under_roc
from monai_tbkd.metrics.map_processing import Array, log_odds
from monai_tbkd.metrics.saliency_energy import saliency_energy
from monai_tbkd.transforms import film_box_mask

TRAIN, TURNED, AS_TRAINED = "train", "turned", "as_trained"
"""Parts of the films: those that train and select; test films with the shortcut turned around; the same test films with
the shortcut as it was in training."""


def phantom_items(folder: str | Path, recipe: Mapping[str, Any], num_workers: int = 0) -> list[dict[str, Any]]:
    """Phantom films of the three parts, which are made if they are not there.

    Args:
        folder: gets two data sets, which share their training films.
        recipe: arguments of :func:`write_phantom_dataset`; ``train_agreement`` and ``val_agreement`` are how often a
            cue agrees with TB in training and in the test.
        num_workers: processes that make films.

    Returns:
        Datalist items with ``part`` (one of `TRAIN`, `TURNED` and `AS_TRAINED`) and ``cues``, the shortcuts' boxes
        ``[xmin, ymin, xmax, ymax]`` in film pixels. Test films come twice, under one name and in one order.
    """
    found: list[dict[str, Any]] = []
    for part, agreement in ((TURNED, recipe["val_agreement"]), (AS_TRAINED, recipe["train_agreement"])):
        root = write_phantom_dataset(
            Path(folder) / part, **{**recipe, "val_agreement": agreement}, num_workers=num_workers
        )
        records = json.loads((root / RECIPE_FILE).read_text(encoding="utf-8"))["films"]
        cues = {film["file_name"]: [cue["box"] for cue in film["cues"] if cue["box"]] for film in records}
        for item in load_tbx11k(root):
            where = part if item["split"] == "val" else TRAIN
            if where == part or part == TURNED:
                found.append({**item, "part": where, "cues": cues[item["name"]]})
    return found


class ShortcutStudy(LocalizationStudy):
    """Teacher, control, student and what must be beaten, where a shortcut lies.

    Maps are scored on test films in which the shortcut is turned around, and on the same films with the shortcut as in
    training. A second teacher, whose ``teacher_features`` are of films without their frame, has two students that see
    the frame: of one, as always, labels close the targets of films without TB; the other never meets a label. A student
    of no teacher shows what location prior and labels do by themselves.

    Args:
        config: as ``configs/study/shortcut.yaml``.
        items: of `phantom_items`.
        films: as of :class:`LocalizationStudy`, and ``teacher_features``, or None for no second teacher.
    """

    def __init__(self, config: ConfigParser, items: Sequence[Mapping[str, Any]], films: Mapping[str, Any]) -> None:
        super().__init__(config, items, films)
        other = films.get("teacher_features")
        self.frameless = None if other is None else LocalizationStudy(config, items, {**films, "features": other})
        self.part = np.array([item["part"] for item in items])
        self.cue_masks = np.stack([film_box_mask({**item, "boxes": item["cues"]}, self.truth.grid) for item in items])

    def split(self, seed: int, fold: int, folds: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Rows that train; of TB films that select; of TB films with the shortcut turned. There is one fold."""
        mine = np.flatnonzero(self.part == TRAIN)
        boxed = np.random.default_rng((seed, fold)).permutation(mine[self.truth.boxed[mine]])
        select = np.sort(boxed[: int(self.config["select"])])
        return np.setdiff1d(mine, select), select, np.flatnonzero((self.part == TURNED) & self.truth.boxed)

    def run(self, seed: int, fold: int, folds: int) -> list[tuple[Any, ...]]:
        """Train and score; rows of `COLUMNS`. Metrics of films with the shortcut as in training begin with its name."""
        train, select, test = self.split(seed, fold, folds)
        twins = np.flatnonzero((self.part == AS_TRAINED) & self.truth.boxed)
        prior = log_odds(self.cut_prior(select))
        maps, facts = self.predictors(train, select, prior, seed)
        shuffled = test[np.random.default_rng(seed).permutation(len(test))]
        out: list[tuple[Any, ...]] = [(seed, fold, "", name, "", metric, value) for name, metric, value in facts]
        for name, logits in {**maps, "lung_prior": np.zeros_like(maps["student"])}.items():
            chosen = self.choose(logits, prior, select)
            out += self._scored(seed, fold, name, ALL, logits[test], prior, chosen, test)
            if name.endswith("student"):
                out += self._scored(seed, fold, f"shuffled_{name}", ALL, logits[shuffled], prior, chosen, test)
            again = self._scored(seed, fold, name, ALL, logits[twins], prior, chosen, twins)[len(chosen) :]
            out += [(*row[:5], f"{AS_TRAINED}_{row[5]}", row[6]) for row in again]
        out += self._film_prior(seed, fold, select, test)
        out += [row for name in maps for row in self._image_level(seed, fold, name, maps[name], test)]
        return out + self._cue_rows(seed, fold, maps, twins)

    def _students(
        self, taught: _Taught, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int
    ) -> tuple[dict[str, Array], list[tuple[str, str, float]]]:
        maps, facts = super()._students(taught, train, select, prior, seed)
        maps["no_teacher_student"] = self._untaught(taught, train, select, prior, seed)
        if self.frameless is not None:
            blind = self.frameless._teacher(train, select, prior, seed)
            target = self._target(blind.maps, prior, select)
            maps["frameless_teacher"] = blind.maps
            maps["frameless_student"] = self._maps(self._distilled(target, blind, train, seed))
            open_ = blind._replace(gate=np.ones_like(blind.gate))
            maps["frameless_no_label_student"] = self._maps(self._distilled(target, open_, train, seed))
        return maps, facts

    def _image_level(
        self, seed: int, fold: int, name: str, logits: Array, test: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        """AUC of films with TB, with the shortcut as in training and turned around."""
        scores = self.config.get_parsed_content("pooling")(torch.from_numpy(logits)[:, None])[:, 0].numpy()
        parts = {part: self.part == part for part in (TURNED, AS_TRAINED)}
        aucs = {part: area_under_roc(scores[films], self.truth.tb[films]) for part, films in parts.items()}
        return [(seed, fold, "", name, "", f"{part}_auc", round(value, 5)) for part, value in aucs.items()]

    def _cue_rows(
        self, seed: int, fold: int, maps: Mapping[str, Array], twins: NDArray[np.int64]
    ) -> list[tuple[Any, ...]]:
        """How much of a map lies on the shortcut, of TB films that bear it as in training."""
        rows = twins[self.cue_masks[twins].any(axis=(1, 2))]
        masks, names = self.cue_masks[rows], [self.items[row]["name"] for row in rows]
        everywhere = np.ones(masks.shape, dtype=np.float32)
        seen = np.stack([self.to_film(torch.ones(1, 2, 2), self.places[row])[0].numpy() for row in rows])
        shares = {("whole_film", NOTHING, "cue_energy"): saliency_energy(everywhere, masks).proportional_energy}
        shares["whole_film", NOTHING, "cue_in_view"] = (seen * masks).sum((1, 2)) / masks.sum((1, 2))
        for name, logits in maps.items():
            probability = torch.sigmoid(torch.from_numpy(logits[rows]))
            films = np.stack([self.to_film(one[None], place)[0] for one, place in zip(probability, self.places[rows])])
            energy = saliency_energy(films, masks, stretch=True).proportional_energy
            peaks = films.reshape(len(rows), -1).argmax(axis=1)
            shares[name, "", "cue_energy"] = energy
            shares[name, "", "cue_pointing"] = masks.reshape(len(rows), -1)[np.arange(len(rows)), peaks]
        return [
            (seed, fold, film, name, how, metric, round(float(value), 5))
            for (name, how, metric), values in shares.items()
            for film, value in zip(names, values)
        ]
