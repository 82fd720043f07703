"""Whether a device has instructions for bfloat16."""

from __future__ import annotations

import torch

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""Of Intel and AMD, of Intel, and of ARM, as torch names them."""


def has_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Tell whether bfloat16 is faster than float32 on a device; without instructions for it, it is many times slower.

    Devices other than processors and NVIDIA's are taken to have it.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return True
    if hasattr(torch.cpu, "get_capabilities"):
        found = torch.cpu.get_capabilities()
        return any(found.get(name, False) for name in _INSTRUCTIONS)
    # an older torch
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
