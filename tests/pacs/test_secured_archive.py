"""Certificates and passwords, by a real Orthanc that asks for them, and every way in which they can be wrong."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monai_tbkd.__main__ import main
from tests.pacs.archive_images import chest, command, results_by_image, uid
from tests.pacs.orthanc_server import OrthancServer
from tests.pacs.tls_front import TlsFront


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem; server.pem for 127.0.0.1 and client.pem, each with its key in it; client-key.pem, locked by "sesame"."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian package openssl)")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test Authority", "-days", "2")
    for name in ("server", "client"):
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
        parts = [(folder / f"{name}.{suffix}").read_text() for suffix in ("crt", "key")]
        (folder / f"{name}.pem").write_text("".join(parts))
    openssl("rsa", "-aes256", "-passout", "pass:sesame", "-in", "client.key", "-out", "client-key.pem")
    return folder


@pytest.fixture
def guarded(start_orthanc: Callable[..., OrthancServer]) -> OrthancServer:
    """Asks for a password."""
    return start_orthanc(auth=("ann", "s3cret"), AuthenticationEnabled=True, RegisteredUsers={"ann": "s3cret"})


@pytest.fixture
def front(guarded: OrthancServer, certificates: Path) -> Iterator[str]:
    """The archive's URL, encrypted; it asks for a certificate too."""
    proxy = TlsFront(guarded.port, certificates / "server.pem", certificates / "ca.pem")
    yield f"https://127.0.0.1:{proxy.port}/dicom-web"
    proxy.close()


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TBKD_PACS_USER", "ann")
    monkeypatch.setenv("TBKD_PACS_PASSWORD", "s3cret")
    return monkeypatch


def test_all_of_them_right_and_each_of_them_wrong(
    guarded: OrthancServer,
    front: str,
    certificates: Path,
    trained: Path,
    phantoms: Path,
    tmp_path: Path,
    password: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    guarded.upload(chest(tmp_path / "image.dcm", phantoms))
    line = [*command(guarded, trained / "models", tmp_path / "out"), "--url", front]
    authority = ["--ca_file", str(certificates / "ca.pem")]
    own = ["--client_cert", str(certificates / "client.pem")]

    def error(*options: str) -> str:
        assert main([*line, *options]) == 2
        text = capsys.readouterr().err
        assert text.startswith("error: ") and text.count("\n") == 1
        return text

    assert "its certificate is not trusted; give that of its authority by --ca_file" in error(*own)
    assert "if the archive asks for a certificate, give --client_cert and --client_key" in error(*authority)
    password.setenv("TBKD_PACS_PASSWORD", "0ther")
    wrong = error(*authority, *own)
    assert "answers 401" in wrong and "TBKD_PACS_PASSWORD" in wrong
    assert "0ther" not in wrong + caplog.text
    assert not results_by_image(guarded)

    password.setenv("TBKD_PACS_PASSWORD", "s3cret")
    password.setenv("TBKD_PACS_KEY_PASSWORD", "sesame")
    key = ["--client_cert", str(certificates / "client.crt"), "--client_key", str(certificates / "client-key.pem")]
    assert main([*line, *authority, *key]) == 0
    assert results_by_image(guarded) == {uid("image", "image"): 1}
    assert main([*line, *authority, *own]) == 0
    assert results_by_image(guarded) == {uid("image", "image"): 1}
    assert not {"s3cret", "sesame"} & set((caplog.text + (tmp_path / "out" / "predictions.json").read_text()).split())


def test_without_a_password(
    guarded: OrthancServer, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(guarded, trained / "models", tmp_path / "out")) == 2
    assert "set TBKD_PACS_USER and TBKD_PACS_PASSWORD" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
