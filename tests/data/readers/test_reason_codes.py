from __future__ import annotations

import pickle

from monai_tbkd.data import ImageError, ReasonCode


def test_every_code_is_its_own_name_and_has_a_meaning() -> None:
    assert len(ReasonCode) == 20
    for code in ReasonCode:
        assert code == code.name == str(code)
        assert code.meaning


def test_image_error_is_one_sentence_and_survives_a_worker_process() -> None:
    error = ImageError(ReasonCode.CORRUPT, "a.png", "cut short; copy it again")
    assert str(error) == "a.png: cut short; copy it again (CORRUPT)."
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.path, copy.detail) == (ReasonCode.CORRUPT, "a.png", "cut short; copy it again")
    assert copy.reason is ReasonCode.CORRUPT
    assert isinstance(error, ValueError)
