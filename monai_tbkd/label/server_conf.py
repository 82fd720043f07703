"""The settings of ``--conf key value``, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monai_tbkd.bundle import truth

TOKEN_VARIABLE = "TBKD_LABEL_TOKEN"
"""Environment variable with the token: a command line can be read by everyone on the machine."""


@dataclass(frozen=True)
class ServerConf:
    """Settings of the server; the defaults let in nobody but this machine.

    Attributes:
        token: every request has to bear it (``Authorization: Bearer ...``); empty asks for none.
        remote: let in requests from other machines.
        hosts: names that the server may be called by, apart from loopback; with `remote` empty means any.
        origins: web pages that may use the server, such as ``https://viewer.example``, apart from its own.
        largest_body: of an upload, in bytes; other bodies may have `guard.LARGEST_TEXT`.
        pacs: there is a DICOMweb server behind, which ``/proxy/dicom`` leads to.
        modalities: of the series that a DICOMweb server is asked for.
        cache_seconds: how long a listing of images is kept.
        sr: send finished labels to the DICOMweb server as structured reports.
        auto_scoring: run the scoring methods at the start, after each sample and after a training.
        look_at: images without signals that one request of active learning looks at; more would keep others waiting.
    """

    token: str = ""
    remote: bool = False
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    largest_body: int = 64 * 2**20
    pacs: bool = False
    modalities: tuple[str, ...] = ("DX", "CR")
    cache_seconds: float = 10.0
    sr: bool = False
    auto_scoring: bool = False
    look_at: int = 8


def read_conf(conf: Mapping[str, Any], studies: str, environ: Mapping[str, str] = os.environ) -> ServerConf:
    """Read the settings from ``--conf``; unknown keys are not looked at."""

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
    return ServerConf(
        token=environ.get(TOKEN_VARIABLE, ""),
        hosts=frozenset(words("hosts")),
        origins=frozenset(each.rstrip("/") for each in words("origins")),
        largest_body=int(megabytes * 2**20),
        pacs=studies.startswith(("http://", "https://")),
        modalities=modalities,
        cache_seconds=number("cache_seconds", ServerConf.cache_seconds),
        look_at=int(number("look_at", ServerConf.look_at)),
        **{key: truth(conf.get(key, False), key) for key in ("remote", "sr", "auto_scoring")},
    )
