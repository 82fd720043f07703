"""The recipe of docs/annotation.md, as it stands there: nginx with TLS and passwords before a real server."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.label_server.conftest import KnownImage
from tests.label_server.servers import LabelServer, label_server
from tests.ports import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
OPENSSL = shutil.which("openssl")
TOKEN, NAME, PASSWORD = "a-token-of-this-test", "reader", "right"

pytestmark = pytest.mark.skipif(
    NGINX is None or OPENSSL is None, reason="nginx or openssl is not installed (Debian packages nginx-light, openssl)"
)


@dataclass
class Proxy:
    """nginx before a server."""

    url: str
    certificate: Path
    server: LabelServer

    def ask(self, method: str, path: str, password: str | None = PASSWORD, **more: Any) -> Any:
        import requests

        auth = None if password is None else (NAME, password)
        return requests.request(method, f"{self.url}{path}", auth=auth, verify=self.certificate, timeout=60, **more)


def recipe() -> str:
    """The block of the page."""
    page = (REPOSITORY / "docs" / "annotation.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    return str(block)


@pytest.fixture(scope="module")
def proxy(
    new_app: Callable[[Path], Path], images: dict[str, KnownImage], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A server with a token, and nginx, which knows it, before it."""
    scratch = tmp_path_factory.mktemp("nginx")
    own = shutil.copytree(images["a"].path.parent, scratch / "images")
    with label_server(new_app(scratch), own, scratch, {"hosts": "label.example"}, TBKD_LABEL_TOKEN=TOKEN) as server:
        yield from behind_nginx(server, scratch)


def behind_nginx(server: LabelServer, scratch: Path) -> Iterator[Proxy]:
    port, certificate, key = free_port(), scratch / "label.crt", scratch / "label.key"
    run(
        OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate,
        "-subj", "/CN=label.example", "-addext", "subjectAltName=DNS:label.example,DNS:localhost",
    )  # fmt: skip
    (scratch / "users").write_text(f"{NAME}:{run(OPENSSL, 'passwd', '-apr1', PASSWORD).strip()}\n")
    text = recipe()
    for there, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/label.crt": certificate,
        "/etc/nginx/label.key": key,
        "/etc/nginx/label.users": scratch / "users",
        "http://127.0.0.1:8000": server.url,
        "Bearer TOKEN": f"Bearer {TOKEN}",
        "client_max_body_size 64m": "client_max_body_size 1m",
    }.items():
        assert text.count(there) == 1, f"the recipe does not say {there} once"
        text = text.replace(there, str(here))
    folders = "".join(
        f"{kind}_temp_path {scratch}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # so that it may read this test's files
    (scratch / "nginx.conf").write_text(
        f"{user}pid {scratch}/pid;\ndaemon off;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{text}}}\n"
    )
    log = scratch / "nginx.log"
    process = subprocess.Popen([str(NGINX), "-e", str(log), "-p", str(scratch), "-c", str(scratch / "nginx.conf")])
    proxy = Proxy(f"https://localhost:{port}", certificate, server)
    try:
        wait(proxy, process, log)
        yield proxy
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def run(*command: object) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def wait(proxy: Proxy, process: subprocess.Popen[bytes], log: Path) -> None:
    import requests

    for _ in range(100):
        assert process.poll() is None, log.read_text()
        try:
            proxy.ask("GET", "/")
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_nobody_gets_in_without_the_password(proxy: Proxy) -> None:
    for password in (None, "wrong", "", TOKEN):
        for method, path in (("GET", "/info/"), ("POST", "/infer/tb_boxes?image=a.png"), ("GET", "/ohif/")):
            answer = proxy.ask(method, path, password)
            assert answer.status_code == 401, (password, path)
            assert answer.headers["www-authenticate"].startswith("Basic")
    bearer = {"Authorization": f"Bearer {TOKEN}"}  # the token is between nginx and the server
    assert proxy.ask("GET", "/info/", None, headers=bearer).status_code == 401
    assert proxy.ask("GET", "/info/").status_code == 200


def test_nobody_gets_around_it(proxy: Proxy) -> None:
    """On the same machine, the server's own port wants the token."""
    assert proxy.server.request("GET", "/info/").status_code == 401


def test_without_tls_there_is_no_answer(proxy: Proxy) -> None:
    import requests

    plain = requests.get(proxy.url.replace("https", "http") + "/info/", auth=(NAME, PASSWORD), timeout=30)
    assert plain.status_code == 400 and "HTTPS port" in plain.text


def test_the_answer_is_the_servers(proxy: Proxy, images: dict[str, KnownImage]) -> None:
    own = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/infer/tb_boxes?image=a.png&output=json", "/infer/tb_map?image=a.png&output=image"):
        direct = proxy.server.request("POST", path, headers=own)
        through = proxy.ask("POST", path)
        assert through.status_code == 200 and through.content == direct.content
    assert proxy.ask("GET", "/datastore/image?image=a.png").content == images["a"].path.read_bytes()


def test_monai_labels_client_works_through_it(proxy: Proxy, images: dict[str, KnownImage], tmp_path: Path) -> None:
    from monailabel.client import MONAILabelClient

    client = MONAILabelClient(proxy.url, tmpdir=str(tmp_path))
    secret = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    client.update_auth({"token_type": "Basic", "access_token": secret})
    assert "tb_boxes" in client.info()["models"]
    _, said = client.infer("tb_boxes", "a.png", {})
    assert said["status"] == "done" and said["boxes"]
    label = tmp_path / "a.json"
    label.write_text('{"image_label": "health"}')
    client = MONAILabelClient(proxy.url, tmpdir=str(tmp_path))  # one request, one client: see docs/annotation.md
    client.update_auth({"token_type": "Basic", "access_token": secret})
    client.save_label("a.png", str(label), params={})
    kept = proxy.server.app.parent / "images" / "tbkd_labels" / "labels" / "final" / "a.png.json"
    assert kept.read_text() == '{"image_label": "health"}'


def test_large_bodies_stop_at_nginx(proxy: Proxy) -> None:
    large = {"label": ("l.json", b"x" * (2 * 2**20))}
    answer = proxy.ask("PUT", "/datastore/label?image=a.png", files=large)
    assert answer.status_code == 413 and "nginx" in answer.text


def test_the_guard_still_holds(proxy: Proxy) -> None:
    """What comes through nginx is a request of this machine to the server; a browser's page of elsewhere is not."""
    for spoofed in ("10.0.0.7", "127.0.0.1, 10.0.0.7"):  # uvicorn would take it for the sender
        assert proxy.ask("GET", "/info/", headers={"X-Forwarded-For": spoofed}).status_code == 200
    assert proxy.ask("GET", "/info/", headers={"Origin": proxy.url}).status_code == 200
    assert proxy.ask("GET", "/info/", headers={"Origin": "https://evil.example"}).status_code == 403
    assert proxy.ask("GET", "/info/", headers={"Host": "label.example"}).status_code == 200
    assert proxy.ask("GET", "/info/", headers={"Host": "evil.example"}).status_code == 403
    assert proxy.ask("GET", "/logs/").status_code == 404
    assert proxy.ask("GET", "/ohif/%2e%2e/%2e%2e/config.py").status_code in (400, 404)
    assert proxy.ask("POST", "/infer/tb_boxes?image=../x").status_code == 422
