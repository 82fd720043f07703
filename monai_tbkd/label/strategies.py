"""Which film an annotator should look at next."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monailabel.interfaces.tasks.strategy import Strategy

from monai_tbkd.data.number_range import is_number
from monai_tbkd.label.film_signals import DISAGREEMENT, UNCERTAINTY, FilmSignals
from monai_tbkd.label.label_folder import note_of
from monai_tbkd.label.teacher_pipeline import TeacherPipeline

if TYPE_CHECKING:
    from monai_tbkd.label.app import TuberculosisApp

logger = logging.getLogger(__name__)

OFFERED_SECONDS = 600.0
"""A film that was offered so recently comes last: its annotator is at work on it, or has passed it over."""
LOOK_AT = 8
"""Films without signals that one request looks at; inference of more would keep the server from answering others."""


def make_strategies(app: TuberculosisApp) -> dict[str, Strategy]:
    """The app's strategies by name; disagreement needs a teacher beside the model.

    Args:
        app: with ``folder``, ``pipeline``, and ``conf`` for ``look_at``.
    """
    look_at = int(app.conf.get("look_at", LOOK_AT))
    signals = signals_of(app)
    strategies: dict[str, Strategy] = {
        "random": RandomFilm(),
        "uncertain_score": MostOf(
            UNCERTAINTY, "Uncertain score: nearest to the threshold that decides first", signals, look_at
        ),
    }
    if signals.teacher is None:
        logger.info("%s: no teacher, so no strategy teacher_student_disagreement.", app.folder.teacher)
    else:
        strategies["teacher_student_disagreement"] = MostOf(
            DISAGREEMENT, "Teacher-student disagreement: maps that differ most first", signals, look_at
        )
    return strategies


def signals_of(app: TuberculosisApp) -> FilmSignals:
    """The app's signals: of the served model and, where it is there and fits, its teacher."""
    if not app.folder.teacher.is_file():
        return FilmSignals(app.pipeline)
    try:
        return FilmSignals(app.pipeline, TeacherPipeline(app.folder))
    except (ValueError, RuntimeError) as error:
        logger.warning("%s cannot be used, and so is left out: %s", app.folder.teacher, error)
        return FilmSignals(app.pipeline)


class RandomFilm(Strategy):
    """Any unlabeled film, each with the same chance."""

    def __init__(self) -> None:
        super().__init__("Random: any unlabeled film")

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        films = not_at_work(datastore, datastore.get_unlabeled_images())
        return {"id": random.choice(films), "weight": 1.0} if films else None


class MostOf(Strategy):
    """The unlabeled film with most of a signal, among those that have been looked at.

    A request looks at a few films that have no signal of the present models yet; the scoring method ``signals`` looks
    at all of them. Films that the model refuses come when there are no others.

    Args:
        signal: its name.
        description: one line.
        signals: where it comes from.
        look_at: films to look at in one request, at most.
    """

    def __init__(self, signal: str, description: str, signals: FilmSignals, look_at: int) -> None:
        super().__init__(description)
        self.signal, self.signals, self.look_at = signal, signals, look_at

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any] | None:
        """The next film.

        Returns:
            ``id`` and ``weight`` (the signal), or None where every film has a label.
        """
        films = not_at_work(datastore, datastore.get_unlabeled_images())
        if not films:
            return None
        found = self.signals.of(datastore, films, self.look_at)
        values = {film: float(each[self.signal]) for film, each in found.items() if is_number(each.get(self.signal))}
        if not values:
            return {"id": min(films), "weight": 0.0}
        best = min(values, key=lambda film: (-values[film], film))
        return {"id": best, "weight": values[best]}


def not_at_work(datastore: Any, films: Sequence[str], now: float | None = None) -> list[str]:
    """Films that were not offered in the last ten minutes, by any strategy; all of them where none is left.

    Args:
        datastore: notes when a film was offered.
        films: identifiers.
        now: seconds since the epoch.
    """
    now = time.time() if now is None else now
    free = []
    for film in films:
        offers = note_of(datastore.get_image_info(film), "strategy").values()
        times = [each["ts"] for each in offers if isinstance(each, dict) and is_number(each.get("ts"), 0, now + 60)]
        if now - max(times, default=0) >= OFFERED_SECONDS:
            free.append(film)
    return free or list(films)
