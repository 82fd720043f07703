"""How long a MONAI Label server leaves others waiting while it looks at images.

Handlers run in threads, and inferences one after the other. This puts numbers to what others feel of it: the time of
``GET /info/`` when nothing else goes on, behind several inferences that came at once, and beside a batch inference,
which has a process of its own. All in one run, in turns.

    .venv-label/bin/python benchmarks/label_blocking.py --app APP --image IMAGE.png
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.label_server.servers import LabelServer, label_server


def seconds(server: LabelServer, method: str, path: str) -> float:
    start = time.perf_counter()
    server.request(method, path).raise_for_status()
    return time.perf_counter() - start


def behind(server: LabelServer, inferences: int, image: str) -> float:
    """Of a question that comes 50 ms after some inferences."""
    with ThreadPoolExecutor(inferences) as pool:
        running = [
            pool.submit(seconds, server, "POST", f"/infer/tb_boxes?image={image}&output=json")
            for _ in range(inferences)
        ]
        time.sleep(0.05)
        waited = seconds(server, "GET", "/info/")
        for each in running:
            each.result()
    return waited


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--app", type=Path, required=True, help="folder that label_app wrote")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        app = Path(shutil.copytree(args.app, scratch / "app"))
        (scratch / "images").mkdir()
        for number in range(8):
            shutil.copy(args.image, scratch / "images" / f"{number}{args.image.suffix}")
        image = f"0{args.image.suffix}"
        with label_server(app, scratch / "images", scratch) as server:
            seconds(server, "POST", f"/infer/tb_boxes?image={image}&output=json")
            found: dict[str, list[float]] = {}
            for _ in range(args.rounds):
                found.setdefault("an inference", []).append(
                    seconds(server, "POST", f"/infer/tb_boxes?image={image}&output=json")
                )
                found.setdefault("a question alone", []).append(seconds(server, "GET", "/info/"))
                for number in (1, 4):
                    found.setdefault(f"a question behind {number}", []).append(behind(server, number, image))
            server.request("POST", "/batch/infer/tb_boxes", json={}).raise_for_status()
            while server.request("GET", "/batch/infer").json()["status"] in ("SUBMITTED", "RUNNING"):
                found.setdefault("a question beside a batch", []).append(seconds(server, "GET", "/info/"))
                time.sleep(0.5)
    for what, times in found.items():
        print(f"{what:28} median {statistics.median(times):7.3f} s, longest {max(times):7.3f} s, n = {len(times)}")


if __name__ == "__main__":
    main()
