"""A MONAI Label server under load: 16 clients at once, 1,000 and more requests, good ones and bad ones.

    .venv-label/bin/python benchmarks/label_load.py --app APP

A real server is started on loopback on phantom images. Before the load each image is looked at in quiet. Then clients
ask for boxes, maps and scores, of images of the folder, uploads and sessions; save labels, read them back and remove
them; take notes; ask for the next image; while trainings replace the model, a batch looks at images and a scoring
method runs, each in a process of its own. Between these come requests that are wrong in every way that the guard and
the app name.

Right is: an answer to a good request that equals, word for word, the one given in quiet by the same state of the
model; a 4xx with a sentence to a bad one; a label that is one of those sent last, whole, with the note that came with
it, after the load and after the server has been started anew. Memory is the server's resident set, read while nothing
is asked. Written to ``benchmarks/results/label_load.csv``. APP is a folder that ``label_app`` wrote; it is copied.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from in_turns import memory as memory_of
from in_turns import write_table
from label_load_requests import BAD, GOOD, MOMENTS, Client, Quiet, ReadImage

from monai_tbkd.data import load_tbx11k
from monai_tbkd.data.phantom import write_phantom_dataset
from monai_tbkd.label.label_folder import LABELS_FOLDER, LabelFolder
from tests.label_server.servers import LabelServer, label_server

RESULTS = Path(__file__).parent / "results" / "label_load.csv"
COLUMNS = ("measurement", "value", "unit")
CONF = {"max_upload_mb": "4", "cache_seconds": "1"}
PAUSES = 10  # the load is cut into so many parts; memory is read between them
TASKS = ("/train/", "/batch/infer", "/scoring/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--app", type=Path, required=True, help="folder that label_app wrote")
    parser.add_argument("--requests", type=int, default=1000, help="at least so many; some ask more than once")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=512, help="of an image's side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    rows: list[tuple[str, str, str]] = []

    def tell(measurement: str, value: float, unit: str) -> None:
        rows.append((measurement, f"{value:.6g}", unit))
        print(f"{measurement}: {value:.6g} {unit}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        faults = run(args, Path(name), tell)
    write_table(args.output, COLUMNS, rows)
    for fault in faults:
        print("FAULT", fault)
    return bool(faults)


def run(args: argparse.Namespace, scratch: Path, tell: Callable[[str, float, str], None]) -> list[str]:
    app = Path(shutil.copytree(args.app, scratch / "app"))
    images = write_images(scratch, args.images, args.size, args.seed)
    labels = LabelFolder(scratch / "images" / LABELS_FOLDER)
    with label_server(app, scratch / "images", scratch, CONF) as server:
        client = Client(server.url, images, Quiet(), args.seed)
        client.quiet.ask(server.url, images)
        memory = load(args, server, client)
        finish_tasks(server)
        client.quiet.ask(server.url, images)  # the model that was trained meanwhile
        faults = [*client.faults, *client.lost(labels)]
        left = [path.name for path in (app / "uploads").iterdir() if path.is_file()]
    parts = [str(path) for path in labels.root.rglob("*.part")]
    faults += [f"half-written: {each}" for each in parts] + [f"an upload was left: {each}" for each in left]
    for path in (app / "bundle" / "models" / "previous").iterdir():  # back to the model before, as the docs say
        shutil.copy(path, path.parents[1] / path.name)
    with label_server(app, scratch / "images", scratch, CONF) as server:
        client.quiet.ask(server.url, images)
        faults += client.lost(labels, server.url)
    faults += client.compare()
    tell("clients", args.clients, "clients")
    report(client, memory, len(parts), tell)
    return faults


def write_images(scratch: Path, number: int, size: int, seed: int) -> list[ReadImage]:
    """Phantom images in one folder, half of them with TB."""
    counts = {"health": number // 4, "sick": number - number // 2 - number // 4, "tb": number // 2}
    write_phantom_dataset(scratch / "phantom", counts, {}, size, seed)
    (scratch / "images").mkdir()
    images = []
    for item in load_tbx11k(scratch / "phantom"):
        path = Path(item["image"])
        shutil.copy(path, scratch / "images" / path.name)
        images.append(
            ReadImage(path.name, path.read_bytes(), [list(map(float, box)) for box in item["boxes"] or []], size)
        )
    return images


def load(args: argparse.Namespace, server: LabelServer, client: Client) -> list[float]:
    """Send everything; resident memory of the server in MiB before, and after each part."""
    draw = random.Random(args.seed)
    kinds = [*draw.choices(list(GOOD), [GOOD[k].weight for k in GOOD], k=args.requests * 7 // 10)]
    kinds += [list(BAD)[i % len(BAD)] for i in range(args.requests - len(kinds))]
    draw.shuffle(kinds)
    for fraction, kind in MOMENTS:
        kinds.insert(int(fraction * len(kinds)), kind)
    memory = [memory_of("VmRSS", server.process.pid) / 2**20]
    size = -(-len(kinds) // PAUSES)
    with ThreadPoolExecutor(args.clients) as pool:
        for start in range(0, len(kinds), size):
            list(pool.map(client.send, kinds[start : start + size]))
            time.sleep(1)
            memory.append(memory_of("VmRSS", server.process.pid) / 2**20)
            print(f"{start + size} asked, {memory[-1]:.0f} MiB, {len(client.faults)} faults", flush=True)
    return memory


def finish_tasks(server: LabelServer) -> None:
    for path in TASKS:
        while server.request("GET", path).json().get("status") in ("SUBMITTED", "RUNNING"):
            time.sleep(0.5)
        status = server.request("GET", path).json()
        if status.get("status") != "DONE":
            raise RuntimeError(f"{path}: {status}\n{server.tail()}")


def report(client: Client, memory: list[float], parts: int, tell: Callable[[str, float, str], None]) -> None:
    done = Counter((each.good, each.right) for each in client.done)
    tell("requests", len(client.done), "requests")
    tell("good requests", done[True, True] + done[True, False], "requests")
    tell("good requests answered right", done[True, True], "requests")
    tell("bad requests", done[False, True] + done[False, False], "requests")
    tell("bad requests answered with a 4xx and a sentence", done[False, True], "requests")
    tell("kinds of bad requests", len(BAD), "kinds")
    tell("answers compared with those in quiet", client.compared, "answers")
    for number, count in enumerate(client.versions().values()):
        tell(f"answers of state {number + 1} of the model", count, "answers")
    tell("labels written", len(client.journal.written), "labels")
    tell("labels kept at the end", client.kept, "labels")
    tell("labels lost or half-written", client.bad_labels + parts, "labels")
    tell("notes written", sum(map(len, client.notes.values())), "notes")
    tell("notes lost", client.bad_notes, "notes")
    first, last = memory[1], memory[-1]
    for number, value in enumerate(memory):
        tell(f"memory after {number * 100 // PAUSES} % of the requests", value, "MiB")
    tell("memory after all against after a tenth", 100 * (last / first - 1), "%")
    seconds = [each.seconds for each in client.done if each.kind.startswith("boxes")]
    tell("an inference under load, median", statistics.median(seconds), "s")
    tell("an inference under load, longest", max(seconds), "s")


if __name__ == "__main__":
    sys.exit(main())
