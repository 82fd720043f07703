from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_tbkd.networks import ActivationMapNet, AveragedNet


class EveryFourthPixel(nn.Module):
    """Its cells look at pixels 0, 4, 8, ... and at nothing else, as a strided convolution is centered."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1, ::4, ::4]


def film(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 1, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("width", range(13, 22))
def test_the_mirror_images_map_lies_on_the_films_cells_at_every_width(width: int) -> None:
    image = film(9, width)
    averaged = AveragedNet(EveryFourthPixel(), output_stride=4)
    # the very same pixels are looked at, so that the mean is the map itself
    torch.testing.assert_close(averaged(image), EveryFourthPixel()(image))


def test_a_map_that_is_just_mirrored_back_lies_elsewhere() -> None:
    image = film(8, 16)
    just_mirrored = EveryFourthPixel()(image.flip(-1)).flip(-1)
    assert not torch.allclose(just_mirrored, EveryFourthPixel()(image))


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5, 2.0])
@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
def test_maps_of_other_sizes_are_read_where_the_films_cells_look(scale: float, size: tuple[int, int]) -> None:
    # a film whose value is its place: each cell of the map must name its own
    height, width = size
    x, y = torch.arange(width).repeat(height, 1).float(), torch.arange(height)[:, None].repeat(1, width).float()
    averaged = AveragedNet(EveryFourthPixel(), output_stride=4, scales=[scale])
    for place in (x, y):
        found, expected = averaged(place[None, None]), place[::4, ::4]
        inside = (slice(None), slice(None), slice(2, -3), slice(2, -3))  # at the film's edge a place has no neighbor
        # to a fraction of a pixel; taking pixel 0 of both sizes for the same place would cost 0.17 to 0.5
        torch.testing.assert_close(found[inside], expected[None, None][inside], atol=0.08, rtol=0)


def test_mean_over_mirror_images_and_sizes() -> None:
    torch.manual_seed(0)
    net = ActivationMapNet("resnet18", num_classes=2, width=0.125, last_stage="layer2", output_stride=8).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        plain = AveragedNet(net, 8, mirror=False)(image)
        twice = AveragedNet(net, 8, mirror=False, scales=[1.0, 1.0])(image)
        both, larger = AveragedNet(net, 8)(image), AveragedNet(net, 8, mirror=False, scales=[1.5])(image)
        mean = AveragedNet(net, 8, mirror=False, scales=[1.0, 1.5])(image)
    assert torch.equal(plain, net(image))
    torch.testing.assert_close(twice, plain)
    torch.testing.assert_close(mean, (plain + larger) / 2)
    assert both.shape == plain.shape == (2, 2, 8, 8)
    assert not torch.allclose(both, plain)


def test_a_mirrored_film_has_the_mirrored_mean_map() -> None:
    # of a width at which cells lie symmetric; what the mean is for
    torch.manual_seed(0)
    net = ActivationMapNet("resnet18", num_classes=1, width=0.125, last_stage="layer2", output_stride=8).eval()
    averaged, image = AveragedNet(net, 8), torch.rand(1, 3, 65, 65)
    with torch.no_grad():
        torch.testing.assert_close(averaged(image.flip(-1)), averaged(image).flip(-1), rtol=1e-4, atol=1e-5)


def test_what_is_refused() -> None:
    for arguments in ({"output_stride": 0}, {"output_stride": 4, "scales": []}, {"output_stride": 4, "scales": [0.0]}):
        with pytest.raises(ValueError, match="expected above 0"):
            AveragedNet(EveryFourthPixel(), **arguments)
    with pytest.raises(ValueError, match=r"should be \(2, 2\)"):
        AveragedNet(EveryFourthPixel(), output_stride=8)(film(16, 16))
