from __future__ import annotations

import pytest
import torch

from monai_tbkd.networks.log_odds import add_to_class, class_log_odds, to_two_class_logits


def test_sigmoid_of_log_odds_is_softmax() -> None:
    logits = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(class_log_odds(logits).sigmoid(), logits.softmax(1)[:, 2:3])


def test_one_logit_is_itself() -> None:
    logits = torch.tensor([[-1.5], [2.0]])
    assert torch.equal(class_log_odds(logits), logits)
    torch.testing.assert_close(to_two_class_logits(logits).softmax(1)[:, 1:], logits.sigmoid())


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_added_log_odds_are_just_that(classes: int) -> None:
    g = torch.Generator().manual_seed(0)
    logits, added = torch.randn(2, classes, 4, 5, generator=g), torch.randn(2, 1, 4, 5, generator=g)
    before = logits.clone()
    torch.testing.assert_close(class_log_odds(add_to_class(logits, added)), class_log_odds(logits) + added)
    torch.testing.assert_close(add_to_class(logits, added)[:, :-1], logits[:, :-1])
    assert torch.equal(logits, before)
