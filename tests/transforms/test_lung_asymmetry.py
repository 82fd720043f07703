from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import LungAsymmetryd, lung_asymmetry


def film(left: int, right: int) -> torch.Tensor:
    cut = torch.full((1, 96, 96), left, dtype=torch.uint8)
    cut[..., 48:] = right
    return cut


def field(left: int, right: int, columns: int = 24) -> torch.Tensor:
    """So many columns of lung in each half."""
    lungs = torch.zeros(1, 24, columns)
    lungs[..., :left] = 1
    lungs[..., columns - right :] = 1
    return lungs


def test_by_hand() -> None:
    found = lung_asymmetry(film(51, 102), field(12, 6))
    torch.testing.assert_close(found, torch.tensor([51 / 255, 6 / 24]))  # the right is denser and has less air


@pytest.mark.parametrize("columns", [24, 25])
def test_mirror_image_changes_the_signs(columns: int) -> None:
    cut = torch.randint(0, 256, (1, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lungs = torch.rand(1, 24, columns, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(lung_asymmetry(cut.flip(-1), lungs.flip(-1)), -lung_asymmetry(cut, lungs))


def test_edges_and_the_middle_do_not_count() -> None:
    cut = film(100, 100)
    cut[..., 90:] = 255  # beyond the lung
    cut[:, :8, 50:] = 255  # above it
    cut[..., 49:55] = 255  # the heart's side of the middle
    assert float(lung_asymmetry(cut, field(8, 8))[0]) == 0
    cut[:, 40:50, 60:70] = 255
    assert float(lung_asymmetry(cut, field(8, 8))[0]) > 0.01


def test_dictionary_form_takes_meta_tensors() -> None:
    data = {"image": MetaTensor(film(51, 102)), "lung_field": field(12, 6)}
    out = LungAsymmetryd()(data)
    assert not isinstance(out["asymmetry"], MetaTensor)
    torch.testing.assert_close(out["asymmetry"], lung_asymmetry(film(51, 102), field(12, 6)))
    assert torch.equal(out["image"], data["image"])
