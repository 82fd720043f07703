from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_tbkd.transforms import RandHistogramSwap, RandHistogramSwapd, RandSpectrumSwap, RandSpectrumSwapd
from monai_tbkd.transforms.style_swap import with_histogram, with_spectrum


def film(seed: int, height: int = 32, width: int = 48, low: int = 0, high: int = 256) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (1, height, width), generator=g, dtype=torch.uint8)


def test_histogram_by_hand() -> None:
    # a quarter of the film is at 10, half is at or below 20, all at or below 30
    own = torch.tensor([[[10, 20], [30, 30]]], dtype=torch.uint8)
    other = torch.tensor([[[90, 100, 100, 200], [90, 100, 200, 200]]], dtype=torch.uint8)
    assert with_histogram(own, other).tolist() == [[[90, 100], [200, 200]]]
    assert with_histogram(own, other, 0.5).tolist() == [[[50, 60], [115, 115]]]
    assert torch.equal(with_histogram(own, other, 0.0), own)


def test_the_source_cannot_be_read_from_the_histogram() -> None:
    dark, bright = film(0, high=100), film(1, low=150)
    swapped = with_histogram(dark, bright)
    counts = [np.bincount(x.flatten().numpy(), minlength=256).cumsum() / x.numel() for x in (swapped, bright)]
    assert np.abs(counts[0] - counts[1]).max() < 0.03
    # gray values keep their order
    order = dark.flatten().argsort(stable=True)
    assert (swapped.flatten()[order].int().diff() >= 0).all()


def test_air_and_borders_below_the_floor_are_not_counted() -> None:
    own, other = film(0, low=50, high=100), film(1, low=100, high=200)
    bordered = other.clone()
    bordered[..., :12] = 3
    assert with_histogram(own, bordered).min() == 3  # a black hole for every fourth pixel of the lungs
    assert with_histogram(own, bordered, floor=32).min() >= 100
    # 32 goes to 100, what is below it keeps its share of the way
    own[0, 0, :4] = torch.tensor([0, 8, 16, 32])
    assert with_histogram(own, bordered, floor=32)[0, 0, :4].tolist() == [0, 25, 50, 100]


def test_the_table_is_no_cliff() -> None:
    own = torch.arange(100, 200, dtype=torch.uint8)[None, None]
    other = torch.cat([torch.full((40,), 10), torch.full((60,), 200)]).byte()[None, None]
    assert with_histogram(own, other).unique().tolist() == [10, 200]
    found = with_histogram(own, other, steepest=4.0)[0, 0].int()
    assert found[50] == 200  # the median goes where it would
    assert found.diff().max() == 4
    assert found[39] == 200 - 4  # one step beside the cliff
    assert found[0] == 196


def test_a_film_of_air_alone_changes_nothing() -> None:
    air, other = torch.zeros(1, 8, 8, dtype=torch.uint8), film(1)
    assert torch.equal(with_histogram(air, other, floor=32), air)
    assert torch.equal(with_histogram(other, air, floor=32), other)


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (48, 33)])
@pytest.mark.parametrize("beta", [0.0, 0.04, 0.2])
def test_spectrum_is_the_published_swap(shape: tuple[int, int], beta: float) -> None:
    own, other = film(0, *shape, low=60, high=180), film(1, *shape, low=90, high=200)
    found = with_spectrum(own, other, beta)
    # the whole spectrum, zero frequency in the middle, as the paper's code has it
    spectra = [np.fft.fftshift(np.fft.fft2(x[0].numpy().astype(float))) for x in (own, other)]
    b, (cy, cx) = int(beta * min(shape)), (n // 2 for n in shape)
    amplitude = np.abs(spectra[0])
    square = slice(cy - b, cy + b + 1), slice(cx - b, cx + b + 1)
    amplitude[square] = np.abs(spectra[1])[square]
    back = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(spectra[0])))).real
    assert np.abs(found[0].numpy() - back.clip(0, 255)).max() < 0.51


def test_the_smallest_swap_takes_the_mean_alone_and_none_of_itself_changes() -> None:
    own, other = film(0, low=100, high=120), film(1, low=130, high=150)
    shift = other.float().mean() - own.float().mean()
    assert ((with_spectrum(own, other, 0.0).float() - own.float()) - shift).abs().max() < 0.51
    assert torch.equal(with_spectrum(own, own, 0.1), own)


POOL = [film(i, low=20 * i, high=20 * i + 60) for i in range(1, 6)]


@pytest.mark.parametrize(
    ("array", "dictionary"),
    [(RandHistogramSwap, RandHistogramSwapd), (RandSpectrumSwap, RandSpectrumSwapd)],
)
def test_pair_draws_alike_and_the_kept_film_stays(array: Any, dictionary: Any) -> None:
    kept = MetaTensor(film(9), meta={"name": "a"})
    before = kept.clone()
    one, other = array(POOL, prob=0.5), dictionary([{"image": x} for x in POOL], prob=0.5)
    one.set_random_state(3)
    other.set_random_state(3)
    changed = 0
    for _ in range(20):
        mine, theirs = one(kept), other({"image": kept, "name": "a"})
        assert torch.equal(mine, theirs["image"])
        assert type(mine) is torch.Tensor
        assert mine.dtype == torch.uint8
        assert mine.shape == kept.shape
        changed += not torch.equal(mine, before.as_tensor())
    assert 4 <= changed <= 16
    assert torch.equal(kept, before)


def test_two_keys_share_a_draw() -> None:
    swap = RandHistogramSwapd(POOL, keys=["image", "other"], prob=1.0)
    swap.set_random_state(0)
    for _ in range(5):
        out = swap({"image": film(7), "other": film(7)})
        assert torch.equal(out["image"], out["other"])


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="no films"):
        RandHistogramSwap([])
    with pytest.raises(ValueError, match="share is"):
        RandHistogramSwap(POOL, share=(0.5, 1.5))
    with pytest.raises(ValueError, match="floor is"):
        RandHistogramSwap(POOL, floor=255)
    with pytest.raises(ValueError, match="steepest is"):
        RandHistogramSwap(POOL, steepest=0)
    with pytest.raises(ValueError, match="beta is"):
        RandSpectrumSwap(POOL, beta=(0.2, 0.1))
    with pytest.raises(ValueError, match="same size"):
        with_spectrum(film(0), film(0, 16, 16), 0.1)
    with pytest.raises(ValueError, match=r"beta is 0\.5"):
        with_spectrum(film(0), film(1), 0.5)
