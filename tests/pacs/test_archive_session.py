from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import requests

from monai_tbkd.pacs.archive_session import archive_session, check_url

HTTPS = "https://pacs.example/dicom-web"


def authorization(session: requests.Session, url: str = HTTPS) -> str | None:
    return session.prepare_request(requests.Request("GET", url)).headers.get("Authorization")


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"TBKD_PACS_USER": "ann", "TBKD_PACS_PASSWORD": "pässword"}, "Basic YW5uOnDDpHNzd29yZA=="),
        ({"TBKD_PACS_TOKEN": "abc"}, "Bearer abc"),
    ],
)
def test_secrets_come_from_the_environment(
    environment: dict[str, str], sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert authorization(archive_session(HTTPS)) == sent


def test_netrc_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine pacs.example login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert authorization(requests.Session()) is not None  # what would be sent
    assert authorization(archive_session(HTTPS)) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TBKD_PACS_USER": "ann"}, "only one of TBKD_PACS_USER and TBKD_PACS_PASSWORD"),
        ({"TBKD_PACS_PASSWORD": "s3cret"}, "only one of"),
        ({"TBKD_PACS_USER": "a", "TBKD_PACS_PASSWORD": "s3cret", "TBKD_PACS_TOKEN": "t"}, "set one kind only"),
    ],
)
def test_secrets_that_do_not_go_together(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message) as refusal:
        archive_session(HTTPS)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    ["", "pacs.example", "ftp://pacs.example", "https://", "https://h:99999999/", "https://h/x?a=1", "https://h/#a", "http://[1"],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="is no URL of a DICOMweb archive"):
        check_url(url)


@pytest.mark.parametrize("rest", ["@pacs.example/dicom-web", "@pacs.example:99999999", "/a@pacs.example/dicom-web"])
def test_password_in_the_url_is_refused_and_not_repeated(rest: str) -> None:
    with pytest.raises(ValueError, match=r"TBKD_PACS_PASSWORD|The URL is no URL") as refusal:
        check_url(f"https://ann:s3cret{rest}")
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:8042", True),
        ("http://127.0.0.1", True),
        ("http://127.3.2.1/x", True),
        ("http://[::1]:80/", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example", False),
    ],
)
def test_warning_of_plain_http_to_elsewhere(
    url: str, loopback: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TBKD_PACS_TOKEN", "abc")
    archive_session(url)
    assert ("not encrypted" in caplog.text) is not loopback
    assert ("so can the password" in caplog.text) is not loopback
    caplog.clear()
    archive_session(url.replace("http:", "https:"))
    assert not caplog.records


def test_files_are_looked_for(tmp_path: Path) -> None:
    for key in ("ca_file", "client_cert"):
        with pytest.raises(FileNotFoundError, match=f"{key} .*none.pem"):
            archive_session(HTTPS, **{key: tmp_path / "none.pem"})
    with pytest.raises(ValueError, match="client_key is given without client_cert"):
        archive_session(HTTPS, client_key=tmp_path / "none.pem")
    (tmp_path / "locked.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(ValueError, match="set TBKD_PACS_KEY_PASSWORD"):
        archive_session(HTTPS, client_cert=tmp_path / "locked.pem")


def test_given_authority_goes_before_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("x")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/elsewhere.pem")
    verified: list[Any] = []

    def send(self: requests.Session, request: Any, **options: Any) -> requests.Response:
        verified.append(options["verify"])
        return requests.Response()

    monkeypatch.setattr(requests.Session, "send", send)
    archive_session(HTTPS, ca_file=tmp_path / "ca.pem").get(HTTPS)
    archive_session(HTTPS).get(HTTPS)
    assert verified == [str(tmp_path / "ca.pem"), "/elsewhere.pem"]


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TBKD_PACS_TOKEN", "s3cret")
    session = archive_session("http://pacs.example")
    assert "s3cret" not in caplog.text + repr(session.auth)
