"""The settings of ``--conf key value``, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monai_tbkd.bundle import truth
from monai_tbkd.label.guard import MEGABYTE, GuardRules

TOKEN_VARIABLE = "TBKD_LABEL_TOKEN"
"""Environment variable with the token: a command line can be read by everyone on the machine."""


@dataclass(frozen=True)
class ServerConf:
    """Settings of the server.

    Attributes:
        guard: who is let in.
        modalities: of the series that a DICOMweb server is asked for.
        cache_seconds: how long a listing of images is kept.
        sr: send finished labels to the DICOMweb server as structured reports.
        auto_scoring: run the scoring methods at the start, after each sample and after a training.
    """

    guard: GuardRules = field(default_factory=GuardRules)
    modalities: tuple[str, ...] = ("DX", "CR")
    cache_seconds: float = 10.0
    sr: bool = False
    auto_scoring: bool = False


def read_conf(conf: Mapping[str, Any], studies: str, environ: Mapping[str, str] | None = None) -> ServerConf:
    """Read the settings from ``--conf``; unknown keys are for trainers and strategies."""

    def words(key: str) -> list[str]:
        return [each.strip() for each in str(conf.get(key, "")).split(",") if each.strip()]

    def number(key: str, default: float) -> float:
        try:
            return float(conf.get(key, default))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{key} is {conf[key]!r}; expected a number.") from error

    megabytes = number("max_upload_mb", 64)
    if megabytes <= 0:
        raise ValueError(f"max_upload_mb is {megabytes:g}; expected above 0.")
    modalities = tuple(words("modalities")) or ServerConf.modalities
    for each in modalities:
        if not (each.isalnum() and each.isupper() and len(each) <= 16):
            raise ValueError(f"modalities holds {each!r}; expected DICOM modalities such as DX,CR.")
    remote, sr, scoring = (truth(conf.get(key, False), key) for key in ("remote", "sr", "auto_scoring"))
    guard = GuardRules(
        token=(os.environ if environ is None else environ).get(TOKEN_VARIABLE, ""),
        remote=remote,
        hosts=frozenset(words("hosts")),
        origins=frozenset(each.rstrip("/") for each in words("origins")),
        largest_body=int(megabytes * MEGABYTE),
        pacs=is_address(studies),
    )
    return ServerConf(guard, modalities, number("cache_seconds", ServerConf.cache_seconds), sr, scoring)


def is_address(studies: str) -> bool:
    """Whether ``--studies`` names a server rather than a folder."""
    return studies.startswith(("http://", "https://"))
