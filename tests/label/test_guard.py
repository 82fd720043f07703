"""The guard by itself: who is let in, and what of a request is looked at."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from monai_tbkd.label.guard import Guard
from monai_tbkd.label.server_conf import TOKEN_VARIABLE, ServerConf, read_conf

LOCAL = {"host": "127.0.0.1:8000"}


def ask(
    rules: ServerConf,
    path: str = "/info/",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    client: str = "127.0.0.1",
    body: list[bytes] | None = None,
) -> tuple[int, str]:
    """One request through the guard to a server that reads the body and answers 200; its status and body."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "client": (client, 1),
        "headers": [(k.encode(), v.encode()) for k, v in {**LOCAL, **(headers or {})}.items()],
    }  # fmt: skip
    parts = list(body or [b""])
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def server(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        status = 200 if message["type"] == "http.request" else 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    asyncio.run(Guard(server, rules)(scope, receive, send))
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1
    return starts[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()


class TestWho:
    def test_this_machine_is_let_in(self) -> None:
        for client, host in (("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("127.0.0.1", "localhost")):
            assert ask(ServerConf(), client=client, headers={"host": host}) == (200, "served")

    @pytest.mark.parametrize("client", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "nonsense"])
    def test_others_are_not(self, client: str) -> None:
        assert ask(ServerConf(), client=client)[0] == 403
        assert ask(ServerConf(remote=True), client=client)[0] == 200

    def test_names(self) -> None:
        assert ask(ServerConf(), headers={"host": "evil.example"})[0] == 403
        assert ask(ServerConf(), headers={"host": ""})[0] == 403
        assert ask(ServerConf(hosts=frozenset({"label.example"})), headers={"host": "label.example:80"})[0] == 200
        only = ServerConf(remote=True, hosts=frozenset({"label.example"}))
        assert ask(only, headers={"host": "evil.example"})[0] == 403

    def test_origins(self) -> None:
        allowed = ServerConf(origins=frozenset({"https://viewer.example"}))
        assert ask(allowed, headers={"origin": "https://viewer.example"})[0] == 200
        assert ask(allowed, headers={"origin": "http://127.0.0.1:8000"})[0] == 200
        for origin in ("https://evil.example", "null", "http://127.0.0.1:9000", "https://viewer.example.evil.example"):
            assert ask(allowed, headers={"origin": origin})[0] == 403

    @pytest.mark.parametrize("host", ["[", "[::1", "127.0.0.1:port", "a b", "user@127.0.0.1", "127.0.0.1/..", "\u00e9"])
    def test_a_host_that_is_no_name(self, host: str) -> None:
        assert ask(ServerConf(), headers={"host": host})[0] == 400
        assert ask(ServerConf(), headers={"origin": f"http://{host}"})[0] == 400

    def test_pages_of_others_without_an_origin(self) -> None:
        """As browsers send them with pictures, links and forms."""
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200), ("x", 403)):
            assert ask(ServerConf(), headers={"sec-fetch-site": site})[0] == status
        allowed = ServerConf(origins=frozenset({"https://viewer.example"}))
        headers = {"sec-fetch-site": "cross-site", "origin": "https://viewer.example"}
        assert ask(allowed, headers=headers)[0] == 200

    def test_what_decides_stands_once(self) -> None:
        assert ask(ServerConf(), headers={"host": "localhost", "Host": "evil.example"})[0] == 400

    def test_token(self) -> None:
        rules = ServerConf(token="s3cret")
        for given in ({}, {"authorization": "s3cret"}, {"authorization": "Basic s3cret"}, {"authorization": "Bearer "}):
            status, said = ask(rules, headers=given)
            assert status == 401
            assert "s3cret" not in said
        assert ask(rules, headers={"authorization": "bearer s3cret"})[0] == 200
        assert ask(rules, headers={"authorization": "Bearer s3cre\u00ff"})[0] == 401


class TestBody:
    rules = ServerConf(largest_body=100)

    def test_length_that_is_said(self) -> None:
        assert ask(self.rules, headers={"content-length": "100"})[0] == 200
        for length in ("101", "-1", "1e9", "99999999999999999999"):
            assert ask(self.rules, headers={"content-length": length})[0] == 413

    def test_length_that_is_not_said(self) -> None:
        assert ask(self.rules, body=[b"x" * 50] * 2)[0] == 200
        status, said = ask(self.rules, body=[b"x" * 50] * 3)
        assert status == 413
        assert "served" not in said


def test_a_body_that_is_no_upload_is_small() -> None:
    """A task's process gets it as one argument, of which Linux takes 128 KiB."""
    text, upload = {"content-type": "application/json"}, {"content-type": "multipart/form-data; boundary=b"}
    large = str(2**20)
    assert ask(ServerConf(), headers={**text, "content-length": large})[0] == 413
    assert ask(ServerConf(), headers={**upload, "content-length": large})[0] == 200
    assert ask(ServerConf(), headers=text, body=[b"x" * 2**20])[0] == 413


def test_characters_are_utf_8() -> None:
    """A form is decoded in the event loop, by whatever of Python's codecs it names; punycode takes 40 s a megabyte."""
    kind = "multipart/form-data; boundary=b"
    for charset in ("utf-8", '"UTF-8"', "utf8; x=y"):
        assert ask(ServerConf(), headers={"content-type": f"{kind}; charset={charset}"})[0] == 200
    for charset in ("punycode", "idna", "utf-8; charset=idna", "utf-8x", "", "*=utf-8''idna", "'utf-8'"):
        status, said = ask(ServerConf(), headers={"content-type": f"{kind}; charset={charset}"})
        assert status == 415 and "utf-8" in said, charset


def test_a_web_socket_is_not_passed_on() -> None:
    async def server(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    asyncio.run(Guard(server, ServerConf())({"type": "websocket"}, None, None))  # type: ignore[arg-type]


def test_an_error_of_the_server_is_its_own() -> None:
    async def server(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("own")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(RuntimeError, match="own"):
        asyncio.run(Guard(server, ServerConf())(scope, None, None))  # type: ignore[arg-type]


class TestConf:
    def test_nothing_given_is_the_closed_one(self) -> None:
        conf = read_conf({}, "/images", {})
        assert conf == ServerConf()
        assert (conf.remote, conf.sr, conf.auto_scoring, conf.modalities) == (False, False, False, ("DX", "CR"))

    def test_everything_given(self) -> None:
        given = {
            "remote": "true", "hosts": "a.example, b.example", "origins": "https://v.example/", "max_upload_mb": "0.5",
            "modalities": "DX", "sr": "yes", "cache_seconds": "3", "of_a_trainer": "x",
        }  # fmt: skip
        conf = read_conf(given, "http://pacs/dicom-web", {TOKEN_VARIABLE: "t"})
        hosts, origins = frozenset({"a.example", "b.example"}), frozenset({"https://v.example"})
        assert conf == ServerConf("t", True, hosts, origins, 2**19, True, ("DX",), 3, True)

    @pytest.mark.parametrize(
        "given",
        [
            {"remote": "maybe"},
            {"max_upload_mb": "-1"},
            {"max_upload_mb": "x"},
            {"modalities": "DX;CR"},
            {"look_at": "few"},
        ],
    )
    def test_what_cannot_be(self, given: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=next(iter(given))):
            read_conf(given, "/images", {})


def test_a_refusal_is_json() -> None:
    assert "other machines" in json.loads(ask(ServerConf(), client="10.0.0.7")[1])["detail"]
