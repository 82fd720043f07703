from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_tbkd.networks.bfloat16_support import has_bfloat16


def found(monkeypatch: pytest.MonkeyPatch, **capabilities: Any) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16", "bf16"])
def test_a_processor_with_instructions_has_it(instructions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, avx2=True, **{instructions: True})
    assert has_bfloat16("cpu")
    found(monkeypatch, avx2=True, **{instructions: False})
    assert not has_bfloat16("cpu")


def test_vector_instructions_alone_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, architecture="x86_64", avx512_f=True, avx512_vnni=True, amx_int8=True, neon=True)
    assert not has_bfloat16(torch.device("cpu"))


@pytest.mark.parametrize(("avx512", "amx"), [(True, False), (False, True), (False, False)])
def test_an_older_torch_is_asked_otherwise(avx512: bool, amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert has_bfloat16() is (avx512 or amx)


def test_graphics_processors_are_asked_without_emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not has_bfloat16("cuda:0")
    assert has_bfloat16("mps")
