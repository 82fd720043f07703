"""CVAT's frame to the MONAI Label server, its boxes back as rectangles. Research use only, not for diagnosis.

The function's container has Python alone, so this imports nothing but the standard library.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

LABEL = "tuberculosis"
_SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg"}


def handler(context: Any, event: Any) -> Any:
    """Answer a request of CVAT, in which ``image`` (base64) and, where given, ``threshold`` (0-1) stand, for nuclio.

    Returns:
        Rectangles as JSON, or the server's refusal with its status.
    """
    body = event.body if isinstance(event.body, dict) else json.loads(event.body)
    try:
        image = base64.b64decode(body["image"], validate=True)
    except (KeyError, ValueError) as error:
        return _answer(context, 400, {"detail": f"No image in the request ({type(error).__name__})."})
    status, found = ask(image)
    return _answer(context, status, rectangles(found, float(body.get("threshold") or 0.0)) if status == 200 else found)


def rectangles(found: Mapping[str, Any], threshold: float = 0.0) -> list[dict[str, Any]]:
    """Boxes of ``tb_boxes`` with at least this score as CVAT wants them; a refused image has none."""
    return [
        {
            "confidence": str(box["score"]),
            "label": LABEL,
            "points": [float(edge) for edge in box["bbox"]],  # xmin, ymin, xmax, ymax
            "type": "rectangle",
        }
        for box in found.get("boxes") or []
        if float(box["score"]) >= threshold
    ]


def ask(image: bytes) -> tuple[int, dict[str, Any]]:
    """Send a PNG or JPEG to the server's ``tb_boxes``; give HTTP status and answer."""
    mark = uuid.uuid4().hex
    suffix = next((s for head, s in _SUFFIXES.items() if image.startswith(head)), "png")
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="image.{suffix}"\r\n'
    content = b"".join(
        [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", image, f"\r\n--{mark}--\r\n".encode()]
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    if token := os.environ.get("TBKD_LABEL_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    url = os.environ.get("TBKD_LABEL_URL", "http://127.0.0.1:8000").rstrip("/")
    request = urllib.request.Request(f"{url}/infer/tb_boxes?output=json", content, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=50) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, {"detail": error.read().decode("utf-8", "replace")[:500]}
    except urllib.error.URLError as error:
        return 502, {"detail": f"The MONAI Label server at {url} does not answer ({error.reason})."}


def _answer(context: Any, status: int, content: Any) -> Any:
    return context.Response(body=json.dumps(content), headers={}, content_type="application/json", status_code=status)
