from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_tbkd.engines import describe_module
from monai_tbkd.networks import LungFieldView, ViewedNet


class Middle(nn.Module):
    """Finds lungs in the middle of films, in half the resolution; nothing on films that are dark."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.norm = nn.BatchNorm2d(1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert image.shape[1] == 1
        found = torch.zeros(len(image), 1, 50, 50)
        found[:, :, 15:35, 10:40] = self.scale
        return found * (image.mean(dim=(1, 2, 3), keepdim=True) > 0)


def test_with_hard_edges_by_hand() -> None:
    view = LungFieldView(Middle(), dilate=0.0, soft=0.0, fill=-2.0)
    film = torch.rand(1, 3, 100, 100) + 1
    seen = view(film)
    inside = torch.zeros(100, 100, dtype=torch.bool)
    inside[30:70, 20:80] = True
    assert torch.equal(seen[0, :, inside], film[0, :, inside])
    assert (seen[0, :, ~inside] == -2).all()


def test_widened_by_its_share_and_soft_outside_of_that() -> None:
    film = torch.ones(1, 1, 100, 100)
    hard = LungFieldView(Middle(), dilate=0.05, soft=0.0).mask(film)[0, 0]
    assert hard.sum() == (40 + 10) * (60 + 10)  # 5 pixels on each side
    soft = LungFieldView(Middle(), dilate=0.05, soft=0.1).mask(film)[0, 0]
    assert (soft[hard == 1] == 1).all()
    row = soft[50]
    assert ((row > 0) & (row < 1)).any()
    assert (row[:50].diff() >= 0).all()
    assert row[0] == 0


def test_blur_keeps_what_the_film_is_and_not_what_is_written_on_it() -> None:
    view = LungFieldView(Middle(), dilate=0.0, soft=0.0, outside="blur", blur=0.2)
    film = torch.full((1, 1, 100, 100), 3.0)
    torch.testing.assert_close(view(film), film)
    written = film.clone()
    written[..., 5:8, 5:8] += 10
    seen = view(written)
    assert (seen[..., :30, :] - 3).max() < 0.5
    assert torch.equal(seen[..., 30:70, 20:80], written[..., 30:70, 20:80])


def test_without_a_network_and_where_it_finds_too_little_the_ellipses_stand_in() -> None:
    plain, with_network = LungFieldView(), LungFieldView(Middle())
    films = torch.cat([torch.ones(1, 1, 64, 64), -torch.ones(1, 1, 64, 64)])
    masks = with_network.mask(films)
    assert torch.equal(masks[1], plain.mask(films)[1])
    assert not torch.equal(masks[0], masks[1])
    ellipses = plain.mask(films)[0, 0]
    torch.testing.assert_close(ellipses, ellipses.flip(-1))
    assert 0.3 < ellipses.mean() < 0.7
    assert max(float(edge.max()) for edge in (ellipses[0], ellipses[-1], ellipses[:, 0], ellipses[:, -1])) == 0


class LeftOnly(nn.Module):
    """Finds one lung, and a third of it in the other half, as where disease has whitened a lung."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = torch.zeros(len(image), 1, 60, 60)
        found[:, :, 10:40, 5:25] = 1
        found[:, :, 30:40, 35:55] = 1
        return found


def test_a_half_with_much_less_lung_than_the_other_gets_its_ellipse() -> None:
    film = torch.ones(1, 3, 60, 60)
    found = LungFieldView(LeftOnly(), dilate=0.0, soft=0.0).mask(film)[0, 0]
    ellipses = LungFieldView(dilate=0.0, soft=0.0).mask(film)[0, 0]
    own = LeftOnly()(film)[0, 0]
    assert torch.equal(found[:, :30], own[:, :30])
    assert torch.equal(found[:, 30:], torch.maximum(own, ellipses)[:, 30:])
    assert torch.equal(LungFieldView(LeftOnly(), dilate=0.0, soft=0.0, uneven=0.0).mask(film)[0, 0], own)


def test_the_lung_network_is_frozen_and_stays_in_eval_mode() -> None:
    view = LungFieldView(Middle())
    viewed = ViewedNet(nn.Conv2d(3, 1, 1), view).train()
    assert viewed.training
    assert not view.lung_network.training
    assert [name for name, p in viewed.named_parameters() if p.requires_grad] == ["network.weight", "network.bias"]


def test_a_record_tells_views_apart() -> None:
    views = (LungFieldView(), LungFieldView(Middle()), LungFieldView(outside="blur"))
    assert len({describe_module(view) for view in views}) == 3


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="outside is 'black'"):
        LungFieldView(outside="black")
    with pytest.raises(ValueError, match=r"dilate is -0\.1"):
        LungFieldView(dilate=-0.1)
    with pytest.raises(ValueError, match="one channel"):
        LungFieldView(nn.Conv2d(1, 2, 1))(torch.zeros(1, 3, 8, 8))
