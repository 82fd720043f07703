"""What a study's student owes to each part: the same folds with one part changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from monai.bundle import ConfigParser
from numpy.typing import NDArray

from monai_tbkd.engines.localization_study import LocalizationStudy, _Taught
from monai_tbkd.metrics.map_processing import Array


class AblationStudy(LocalizationStudy):
    """A study with further students: one for each of the config's ``ablations``, and one of no teacher.

    Each of them is a part of the config that takes the place of the study's own, as ``configs/study/ablations.yaml``
    has them. Where the pooling changes, teachers and control are trained anew with it; else the student is alone, and
    its teachers are the study's. Whatever has no part in the change is the same, seeds and all.

    Args:
        config: as ``configs/study/ablations.yaml``.
        items: as of :class:`LocalizationStudy`.
        films: as of :class:`LocalizationStudy`.
    """

    def __init__(self, config: ConfigParser, items: Sequence[Mapping[str, Any]], films: Mapping[str, Any]) -> None:
        super().__init__(config, items, films)
        self.changed = {}
        for name, change in config["ablations"].items():
            other = ConfigParser(copy.deepcopy(config.config), globals=config.globals)
            other.update(change)
            self.changed[name] = LocalizationStudy(other, items, films)

    def _students(
        self, taught: _Taught, train: NDArray[np.int64], select: NDArray[np.int64], prior: Array, seed: int
    ) -> tuple[dict[str, Array], list[tuple[str, str, float]]]:
        maps, facts = super()._students(taught, train, select, prior, seed)
        maps["no_teacher_student"] = self._untaught(taught, train, select, prior, seed)
        for name, study in self.changed.items():
            theirs = taught
            if "pooling" in self.config["ablations"][name]:
                theirs = study._teacher(train, select, prior, seed)
                maps |= {f"{name}_teacher": theirs.maps, f"{name}_control": study._control(theirs, seed)}
            target = study._target(theirs.maps, prior, select)
            maps[f"{name}_student"] = study._maps(study._distilled(target, theirs, train, seed))
        return maps, facts
