from __future__ import annotations

import pytest
import torch

from monai_tbkd.engines import TEACHER_MAP, RandMirrorWithTeacherMapd, make_teacher_maps
from monai_tbkd.networks import ActivationMapNet

FILMS = [
    {"image": torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i)), "name": f"f{i}"} for i in range(5)
]


def net() -> ActivationMapNet:
    torch.manual_seed(0)
    return ActivationMapNet("resnet18", num_classes=2, width=0.125, last_stage="layer2", output_stride=8).eval()


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_the_map_is_what_the_teacher_says_of_the_film_as_it_comes_out(prob: float) -> None:
    teacher = net()
    mirror = make_teacher_maps(teacher, FILMS, lambda d: d, batch_size=2, prob=prob)
    for film in (FILMS[3], FILMS[0]):
        item = mirror(film)
        assert torch.equal(item["image"], film["image"].flip(-1) if prob else film["image"])
        with torch.no_grad():
            expected = teacher(item["image"][None])[0]
        torch.testing.assert_close(item[TEACHER_MAP], expected, rtol=1e-2, atol=1e-3)  # kept in half precision


def test_a_mirrored_map_would_not_do() -> None:
    teacher = net()
    with torch.no_grad():
        of_mirror, mirrored = teacher(FILMS[0]["image"][None].flip(-1)), teacher(FILMS[0]["image"][None]).flip(-1)
    assert not torch.allclose(of_mirror, mirrored, rtol=1e-2, atol=1e-3)


def test_films_without_maps_and_maps_without_films() -> None:
    with pytest.raises(ValueError, match="no teacher map of the film other"):
        make_teacher_maps(net(), FILMS, lambda d: d)({"name": "other"})
    with pytest.raises(ValueError, match="2 teacher maps for 1 films"):
        RandMirrorWithTeacherMapd(torch.zeros(2, 2, 1, 4, 4), ["a"])
