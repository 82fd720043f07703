"""All films through one model, on whatever the machine has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from monailabel.interfaces.tasks.batch_infer import BatchInferTask

from monai_tbkd.label.film_ids import is_safe_id
from monai_tbkd.results.prediction_table import DONE, FAILED, REFUSED

logger = logging.getLogger(__name__)


class FilmBatchInfer(BatchInferTask):
    """MONAI Label's batch inference, which by default divides by the number of GPUs, for machines without one too.

    A film that cannot be looked at gets an answer that says why, and the batch goes on.
    """

    def __call__(self, request: Mapping[str, Any], datastore: Any, infer: Callable[..., Any]) -> dict[str, Any]:
        """Run.

        Args:
            request: of the batch; ``images`` is ``all``, ``labeled``, ``unlabeled`` or a list of identifiers.
            datastore: gets the labels.
            infer: one film's inference.

        Returns:
            How it ends, such as ``19 done, 5 refused``, and the reason of each film without an answer.

        Raises:
            ValueError: a tag that may not be.
        """
        own = {**request, "label_tag": request.get("label_tag") or "original"}
        tag = own["label_tag"]
        if not is_safe_id(tag):
            raise ValueError(f"label_tag is {tag!r}; expected letters, digits, dots, hyphens and underscores.")
        if not torch.cuda.is_available():
            own.update(multi_gpu=False, device="cpu")
        own["max_workers"] = 1  # one network, and its postprocessing, serve one film at a time

        def one(film: Mapping[str, Any], store: Any = None) -> dict[str, Any]:
            try:
                return dict(infer(film, store))
            except Exception as error:
                logger.exception("%s: no answer", film.get("image"))
                return {"params": {"status": "failed", "reason": "INTERNAL", "detail": type(error).__name__}}

        answers = super().__call__(own, datastore, one)
        params = {film: (each or {}).get("params", {}) for film, each in answers.items()}
        states = [each.get("status", FAILED) for each in params.values()]
        told = ", ".join(f"{states.count(state)} {state}" for state in (DONE, REFUSED, FAILED) if state in states)
        logger.info("The batch ends: %s", told or "no images")
        return {"ends": told or "no images", "reasons": {k: v["reason"] for k, v in params.items() if v.get("reason")}}
