from __future__ import annotations

import torch

from monai_tbkd.networks import as_two_or_more, class_log_odds


def test_sigmoid_of_log_odds_is_softmax() -> None:
    logits = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(class_log_odds(logits).sigmoid(), logits.softmax(1)[:, 2:3])
    torch.testing.assert_close(class_log_odds(logits, 0).sigmoid(), logits.softmax(1)[:, 0:1])


def test_one_logit_is_itself() -> None:
    logits = torch.tensor([[-1.5], [2.0]])
    assert torch.equal(class_log_odds(logits), logits)
    torch.testing.assert_close(as_two_or_more(logits).softmax(1)[:, 1:], logits.sigmoid())
