from __future__ import annotations

from monai_tbkd.data.files.loopback import is_loopback


def test_loopback() -> None:
    assert [is_loopback(each) for each in ("::1", "::ffff:127.0.0.1", "127.9.9.9")] == [True] * 3
    assert not any(is_loopback(each) for each in ("0.0.0.0", "::", "", "localhost.evil.example", "10.0.0.1"))
