"""Choices as a command line brings them."""

from __future__ import annotations

import pytest

from monai_tbkd.packaging import choices


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (False, ()), (None, ()), ("false", ()), ("Off", ()), ([], ()), ("[]", ()), (0, None), (1.5, None), ([1], None),
        (True, ("a", "b")), ("TRUE", ("a", "b")), ("b", ("b",)), ("b, C,b", ("b", "c")), (["B", "c"], ("b", "c")),
        (("b",), ("b",)), ("['b', 'c']", ("b", "c")), ("(b,c)", ("b", "c")),
    ],
)  # fmt: skip
def test_words(given: object, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="expected true, false, a word, or a list"):
            choices(given, ["a", "b"])
    else:
        assert choices(given, ["a", "b"]) == expected
