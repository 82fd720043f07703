"""Allowed keys and values of requests; anything else is answered with 422 and a sentence.

A task that runs in a process of its own gets what these models made, and nothing else of a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from monai_tbkd.label.image_ids import is_safe_id
from monai_tbkd.label.label_content import IMAGE_LABEL
from monai_tbkd.label.label_folder import FINAL

_DEEPEST = 32  # nested lists and objects: a note is written by a function that calls itself for each
_LARGEST_NOTE = 2**16  # bytes of ``params`` or ``info``


def _safe_id(text: str) -> str:
    if not is_safe_id(text):
        raise ValueError("expected letters, digits, dots, hyphens and underscores")
    return text


def _not_final(tag: str | None) -> str | None:
    if tag == FINAL:
        raise ValueError(f"{FINAL} is the tag of what annotators have finished; expected another for a model's answer")
    return tag


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return None if value == "" else value


def _first(value: Any) -> Any:
    """The choices of an option come back as they were shown, the one that holds first."""
    value = value[0] if isinstance(value, (list, tuple)) and value else value
    return None if value == "" else value


SafeId = Annotated[str, AfterValidator(_safe_id)]
"""An identifier: no path can be made of it."""
SafeIdOrNone = Annotated[str, AfterValidator(lambda text: text and _safe_id(text))]
"""The same, or empty."""
_Fraction = Annotated[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None, BeforeValidator(_no_bool)]
_Amount = Annotated[Annotated[float, Field(ge=0, lt=1e6, allow_inf_nan=False)] | None, BeforeValidator(_no_bool)]
_Limit = Annotated[int, Field(ge=0, lt=10**6)]
_Count = Annotated[_Limit | None, BeforeValidator(_no_bool)]
_Some = Annotated[Annotated[int, Field(ge=1, lt=10**6)] | None, BeforeValidator(_no_bool)]
_Device = Annotated[
    Annotated[str, StringConstraints(pattern=r"^(cpu|cuda(:\d{1,2})?)$")] | None, BeforeValidator(_first)
]


class Strict(BaseModel):
    """Keys that are not declared are refused, and values are not repeated in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    def given(self) -> dict[str, Any]:
        """The given keys as plain values, without those left empty."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class ClientParams(Strict):
    """Sent by every client of MONAI Label: who it is."""

    client_id: Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=200)] | None = None


class InferParams(ClientParams):
    """``params`` of an inference: thresholds, and what 3D Slicer, OHIF and CVAT add of their own."""

    score_threshold: _Fraction = None
    map_threshold: _Fraction = None
    threshold_mode: Annotated[Literal["absolute", "relative", "adaptive"] | None, BeforeValidator(_first)] = None
    smallest_area: _Fraction = None
    result_extension: Literal[".png", ".nrrd", ".nii.gz", ".nii", ""] | None = None
    result_dtype: Literal["uint8", "uint16"] | None = None
    result_compress: bool | None = None
    result_write_to_file: bool | None = None
    restore_label_idx: bool | None = None
    output: Literal["json", "image", "all", ""] | None = None
    save_label: bool | None = None
    label_tag: Annotated[SafeIdOrNone | None, AfterValidator(_not_final)] = None


class BatchParams(InferParams):
    """The body of a batch inference."""

    images: Literal["all", "labeled", "unlabeled"] | list[SafeId] | None = None
    device: _Device = None
    multi_gpu: bool | None = None
    gpus: Annotated[str, StringConstraints(pattern=r"^(all|\d{1,2}(,\d{1,2})*)$")] | None = None
    logging: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    max_workers: _Limit | None = None
    max_batch_size: _Limit | None = None


class TrainParams(ClientParams):
    """The body of a training; ``label_finetune.yaml`` says what each number does."""

    finetune_epochs: _Some = None
    finetune_batch_size: _Some = None
    most_unlabeled: _Count = None
    fewest_boxed: _Count = None
    seed: _Count = None
    finetune_learning_rate: _Amount = None
    box_weight: _Amount = None
    largest_drop: _Amount = None
    device: _Device = None


class AllTrainParams(ClientParams):
    """The body of all trainings, by their names."""

    tb_student: TrainParams | None = None


class Note(ClientParams):
    """Keys of a note that a request may write on an image or a label; all others are the app's own."""

    label_info: list[dict[str, Any]] | None = None
    segmentationMeta: dict[str, Any] | None = None  # of 3D Slicer's reviewer  # noqa: N815
    note: Any = None


class LabelParams(Note):
    """``params`` of a label that is saved; what the image is as a whole is said here or in the label, never later."""

    image_label: bool | str | None = None


assert IMAGE_LABEL in LabelParams.model_fields


def picked(model: type[Strict], request: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Check the values of these keys in a request, where it has them; nothing else of it is taken."""
    return _checked(model, {name: request[name] for name in names if name in request})


def read_params(model: type[Strict], text: str, what: str = "params") -> dict[str, Any]:
    """Read a form's field that holds a JSON object; `what` is its name in errors.

    Refused are nan and infinity, half a surrogate pair, and more than 32 levels: a note has to be kept as JSON.

    Example:
        >>> read_params(InferParams, '{"map_threshold": "0.4"}')
        {'map_threshold': 0.4}
    """
    if len(text) > _LARGEST_NOTE:
        raise ValueError(f"The {what} has {len(text)} characters; expected at most {_LARGEST_NOTE}.")
    try:
        content = json.loads(text or "{}")
        if _depth(content) > _DEEPEST:
            raise RecursionError
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"The {what} is nested deeper than {_DEEPEST} levels.") from None
    except ValueError as error:
        raise ValueError(f"The {what} is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ValueError(f'The {what} is JSON, but not an object; expected one such as {{"name": "value"}}.')
    return _checked(model, content, what)


def _checked(model: type[Strict], content: Mapping[str, Any], what: str = "") -> dict[str, Any]:
    try:
        return model.model_validate(content).given()
    except ValidationError as error:
        raise ValueError(sentence(error.errors(), what)) from error


def _depth(content: Any) -> int:
    """Levels of lists and objects; a RecursionError where there are hundreds."""
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def sentence(errors: Sequence[Mapping[str, Any]], what: str = "") -> str:
    """One sentence of pydantic's errors, the first three of them; values are not repeated."""
    said = []
    for error in errors[:3]:
        parts = [str(part) for part in (what, *error["loc"])]  # pydantic adds the kinds of a union
        position = ".".join(part for part in parts if re.fullmatch(r"[\w-]+", part))[:200]
        found = "there is no such key; leave it out" if error["type"] == "extra_forbidden" else str(error["msg"])
        said.append(f"{position}: {found.removeprefix('Value error, ')}")
    return "; ".join(said) + (f"; {len(errors) - 3} more." if len(errors) > 3 else ".")
