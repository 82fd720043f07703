"""The agreement between cues and labels, counted."""

from __future__ import annotations

import numpy as np
import pytest

from monai_tbkd.data.phantom import CUE_KINDS, ShortcutSpec, make_image
from monai_tbkd.data.phantom.cues import write_text


@pytest.mark.parametrize("agreement", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_presence_agrees_as_often_as_asked(agreement: float) -> None:
    spec, rng, n = ShortcutSpec(("text",), agreement), np.random.default_rng(0), 2000
    agrees = [spec.present("text", is_tb, rng) == is_tb for is_tb in (True, False) for _ in range(n)]
    spread = 4 * np.sqrt(agreement * (1 - agreement) / (2 * n)) + 1e-9
    assert abs(np.mean(agrees) - agreement) <= spread


def test_images_follow_the_agreement() -> None:
    spec, counts = ShortcutSpec(agreement=0.9), dict.fromkeys(CUE_KINDS, 0)
    for i in range(16):
        class_name = ("tb", "health", "tb", "sick")[i % 4]
        kinds = {cue.kind for cue in make_image(class_name, (4, i), 96, spec).cues}
        for kind in CUE_KINDS:
            counts[kind] += (kind in kinds) == (class_name == "tb")
    # 16 draws at 0.9: a deviation of 1.2 around 14.4.
    assert all(11 <= count <= 16 for count in counts.values()), counts
    assert 51 <= sum(counts.values()) <= 63


def test_a_kind_that_is_not_named_never_appears() -> None:
    spec = ShortcutSpec(("letter",), 0.5)
    kinds = {cue.kind for i in range(8) for cue in make_image("tb", i, 96, spec).cues}
    assert kinds == {"letter"}


def test_switching_a_kind_off_leaves_the_others_alone() -> None:
    for i in range(5):
        everything = make_image("tb", i, 96, ShortcutSpec(agreement=0.5)).cues
        letters = make_image("tb", i, 96, ShortcutSpec(("letter",), 0.5)).cues
        assert letters == tuple(cue for cue in everything if cue.kind == "letter")


@pytest.mark.parametrize(("kinds", "agreement"), [(("pacemaker",), 0.5), (("text", "text"), 0.5), (("text",), 1.5)])
def test_a_bad_spec_is_refused(kinds: tuple[str, ...], agreement: float) -> None:
    with pytest.raises(ValueError, match=r"shortcut kinds|agreement"):
        ShortcutSpec(kinds, agreement)


def test_the_letter_l_is_an_upright_l() -> None:
    expected = np.zeros((7, 5))
    expected[:, 0] = expected[6, :] = 1
    np.testing.assert_array_equal(write_text("L", 7), expected)


def test_a_frame_of_a_tenth_holds_every_mark() -> None:
    # recipes blank the frame for the teacher and count on it
    for index in range(10):
        image = make_image("tb", (3, index), 128, ShortcutSpec(("letter", "text", "border"), agreement=1.0))
        for cue in image.cues:
            x0, y0, x1, y1 = (c / 128 for c in cue.box)
            assert x1 <= 0.12 or x0 >= 0.88 or y1 <= 0.12 or y0 >= 0.88, cue
