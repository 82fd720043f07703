"""Damage done to valid files at random, and values that nobody should give; for fuzz.py."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Sequence
from typing import Any

NUMBERS = [0, 1, -1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, 10**400, 0.5, -0.0, 1e-320, 1e308]
NOT_NUMBERS = [float("nan"), float("inf"), float("-inf")]
WORDS = [
    "", " ", "\0", "tb", "health", "TB", "none", "null", "nan", "inf", "1e999", "-1", "0", "0x10", "1_000", "\u0663", "true",  # noqa: E501
    "../../etc/passwd", "/etc/passwd", "/dev/zero", "..", ".", "~", "~root/x", "a" * 300, "a" * 70000, "\U0001f480", "\ud800",  # noqa: E501
    "\u202e", "%s%n", "$@x", "$import os", "=cmd", "a\nb", "a\r\nb", '"', "'", ",", ";", "9" * 5000, "[[0,0,1,1]]", "{}",  # noqa: E501
]  # fmt: skip
ODD: list[Any] = [
    *NUMBERS,
    *NOT_NUMBERS,
    *WORDS,
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    [0, 0],
    {"a": 1},
    (1, 2),
    b"x",
]
TOKENS = [
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"<!ENTITY a '&b;&b;&b;&b;&b;&b;&b;&b;'>", b"&a;", b"&#x10FFFF;",  # noqa: E501
    b"&#0;", b"<![CDATA[", b"]]>", b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version='1.0' encoding='utf-7'?>",  # noqa: E501
    b"<a>" * 3000, b"<object/>", b"<xmin>nan</xmin>", b"[" * 5000, b"{\"a\":" * 3000, b"NaN", b"Infinity", b"1e999", b"\0",  # noqa: E501
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"'", b",", b":", b"-", b"null", b"9" * 6000, b"\\ud800",  # noqa: E501
    b"&x;" * 50, b"!!python/object/apply:os.system ['true']", b"*a", b"&a [*a]", b"? ", b"../", b"/dev/zero", b"\x80\x04.",  # noqa: E501
]  # fmt: skip
_EDGE_BYTES = [
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
]

Mutation = Callable[[random.Random, bytes], bytes]


def mutate_bytes(rng: random.Random, data: bytes, tokens: Sequence[bytes] = _EDGE_BYTES) -> bytes:
    """One to six changes: bits, bytes, edge values, cuts, repeats, swaps, what another format holds."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at, kind = rng.randrange(len(out) + 1), rng.randrange(9)
        span = rng.choice((1, 2, 4, 8, 16, 64, 256))
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 2:
            token = rng.choice(tokens)
            out[at : at + len(token)] = token
        elif kind == 3:
            out[at:at] = rng.choice(tokens)
        elif kind == 4:
            del out[at : at + span]
        elif kind == 5:
            out[at:at] = out[at : at + span] * rng.choice((1, 1, 2, 20))
        elif kind == 6:
            other = rng.randrange(len(out) + 1)
            out[at : at + span] = out[other : other + span]
        elif kind == 7 and rng.random() < 0.5:
            del out[at:]
        elif kind == 8 and at < len(out):
            out[at : at + span] = rng.randbytes(span)
    return bytes(out)


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """As bytes, with pieces of XML, JSON, YAML and CSV that parsers have stumbled over."""
    return mutate_bytes(rng, data, TOKENS)


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Half of the time the values of valid JSON, the other half its text."""
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _replace(rng, content)
    text = json.dumps(content, default=str)
    return text.encode("utf-8", "surrogatepass")


def _replace(rng: random.Random, node: Any) -> Any:
    if not isinstance(node, (dict, list)) or not node or rng.random() < 0.15:
        return rng.choice(ODD)
    if isinstance(node, list):
        at = rng.randrange(len(node))
        return node[:at] + rng.choice(([], [_replace(rng, node[at])], [node[at], node[at]])) + node[at + 1 :]
    key = rng.choice(list(node))
    out = dict(node)
    value = out.pop(key)
    kind = rng.randrange(5)
    if kind == 0:
        return out
    if kind == 1:
        return {**out, str(rng.choice(WORDS)): value}
    return {**out, key: _replace(rng, value)}


def mutate_table(rng: random.Random, data: bytes) -> bytes:
    """Half of the time the cells of a table, the other half its text."""
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    cells = lines[at].split(b",")
    cell = rng.randrange(len(cells))
    cells[cell : cell + rng.randrange(2)] = [str(rng.choice(ODD)).encode("utf-8", "surrogatepass")]
    lines[at] = b",".join(cells)
    return b"\n".join(lines)


def mutate_png(rng: random.Random, data: bytes) -> bytes:
    """Half of the time chunks with right checksums, or hardly anything would come past them."""
    if rng.random() < 0.5:
        return mutate_bytes(rng, data)
    chunks, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    i = rng.randrange(len(chunks))
    kind, body = chunks[i]
    if kind == b"IDAT" and rng.random() < 0.7:  # what is packed, and not the packing
        body = zlib.compress(mutate_bytes(rng, zlib.decompress(body)))
    elif rng.random() < 0.2:
        kind = rng.choice(
            (b"IEND", b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"XXXX")
        )
    elif rng.random() < 0.2:
        chunks.insert(i, chunks[rng.randrange(len(chunks))])
    else:
        body = mutate_bytes(rng, body)
    chunks[i] = (kind, body)
    out = data[:8]
    for kind, body in chunks:
        out += len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
    return out
