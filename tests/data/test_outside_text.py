from __future__ import annotations

from pathlib import Path

import pytest

from monai_tbkd.data.outside_text import decode_text, read_columns, read_table, read_text, read_xml


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_of_every_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("ä\r\nb".encode(encoding))
    assert read_text(path) == "ä\r\nb"
    path.write_bytes(" image,label\r\nä,tb\r\nb\r\n".encode(encoding))
    assert read_table(path) == (["image", "label"], [{"image": "ä", "label": "tb"}, {"image": "b", "label": ""}])
    assert read_columns(path) == ["image", "label"]


@pytest.mark.parametrize("content", ["ä".encode("cp1252"), "a,b".encode("utf-16-le"), b"\xff\xfea"])
def test_another_encoding_is_named_with_the_mend(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError, match="save the file as UTF-8"):
        decode_text(content)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("<a>ä</a>", "utf-8"),
        ("<a>ä</a>", "utf-8-sig"),
        ('<?xml version="1.0" encoding="utf-16"?><a>ä</a>', "utf-16"),
        ('<?xml version="1.0" encoding="utf-8"?><a>ä</a>', "utf-16"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><a>ä</a>', "latin-1"),
    ],
)
def test_xml_in_its_own_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    assert read_xml(path).text == "ä"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_entities_are_refused_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode(encoding))
    with pytest.raises(ValueError, match=r"entity declaration|without a byte-order mark"):
        read_xml(path)
