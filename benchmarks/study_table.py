"""The table of localization studies, from what ``benchmarks/localization_study.py`` wrote.

    python benchmarks/study_table.py outputs/hemithorax.csv outputs/image_labels.csv

Writes ``benchmarks/results/study_<protocol>.csv`` for each: union-mask mIoU and pointing game with 95 %
bootstrap intervals over films (each film's mean over seeds), the mean of each seed, and paired differences of the
same films: of students and what they must beat, of students of ablations and the study's own, and, where a shortcut
turns around, of films with it turned and as in training. Prints it.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from monai_tbkd.metrics import bootstrap_mean

RESULTS = Path(__file__).parent / "results"
HEAD = ["predictor", "boxes_chose", "metric", "value", "low", "high", "n", "seeds", "by_seed"]
REFERENCES = {
    ("student", "processing"): ("blind_prior", "lung_prior", "shuffled_student", "control", "teacher"),
    ("box_free_student", "nothing"): ("lung_prior", "shuffled_box_free_student", "control", "teacher"),
}
AS_TRAINED = "as_trained_"
"""Metrics on test films with the shortcut as in training begin so."""
ByFilm = dict[str, dict[int, float]]
"""Values by film and seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+")
    args = parser.parse_args()
    for path in args.studies:
        rows = table(path)
        with (RESULTS / f"study_{path.stem}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([HEAD, *rows])
        for row in rows:
            print("  ".join(row))


def table(path: Path) -> list[list[str]]:
    films: dict[tuple[str, str, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    folds: dict[tuple[str, str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["predictor"], row["boxes_chose"], row["metric"]
            if row["film"]:
                films[key][row["film"]][int(row["seed"])] = float(row["value"])
            elif row["value"] not in ("True", "False"):
                folds[key][int(row["seed"])].append(float(row["value"]))
    rows = []
    for key, by_film in sorted(films.items()):
        rows.append(line(*key, by_film))
    for key in sorted(films):
        student, chose, metric = key
        if metric in ("union_mask_iou", "cue_energy"):
            for other in references(student, chose or "processing"):
                if theirs := films.get((other, chose, metric)):
                    rows.append(line(f"{student} minus {other}", chose, metric, paired(films[key], theirs)))
        if as_trained := films.get((student, chose, AS_TRAINED + metric)):
            name = f"{student} turned minus as trained"
            rows.append(line(name, chose, metric, paired(films[key], as_trained)))
    for (name, chose, metric), by_seed in sorted(folds.items()):
        means = [float(np.nanmean(v)) for _, v in sorted(by_seed.items())]
        number = str(sum(map(len, by_seed.values())))
        text = " ".join(f"{m:.4f}" for m in means)
        rows.append(
            [name, chose or "", metric, f"{np.mean(means):.4f}", "", "", f"{number} folds", str(len(means)), text]
        )
    return rows


def references(student: str, chose: str) -> tuple[str, ...]:
    """What a student is compared with, where it was scored."""
    if student.startswith("student_generation_") and chose == "processing":
        return ("teacher", "student")
    part, end, rest = student.partition("_student")
    if end and not rest and chose == "processing" and not part.startswith(("box_free", "shuffled")):
        own = (f"shuffled_{student}", f"{part}_control", f"{part}_teacher")
        frameless = tuple(name for name in ("frameless_teacher", "frameless_student") if name not in (*own, student))
        return ("blind_prior", "lung_prior", *own, "control", "teacher", "student", *frameless)
    return REFERENCES.get((student, chose), ())


def line(name: str, chose: str, metric: str, by_film: ByFilm) -> list[str]:
    return [name, chose, metric, *summary(by_film)]


def paired(mine: ByFilm, theirs: ByFilm) -> ByFilm:
    """Differences of the same film and seed."""
    return {f: {s: v - theirs[f][s] for s, v in seeds.items() if s in theirs[f]} for f, seeds in mine.items()}


def summary(by_film: ByFilm) -> list[str]:
    """Mean over films of each film's mean over seeds, its interval, films, seeds, and the mean of each seed."""
    number = bootstrap_mean(np.array([np.mean(list(seeds.values())) for _, seeds in sorted(by_film.items())]))
    every = sorted({seed for seeds in by_film.values() for seed in seeds})
    means = [np.mean([seeds[s] for seeds in by_film.values() if s in seeds]) for s in every]
    values = [f"{v:.4f}" for v in number[:3]]
    return [*values, str(number.n), str(len(every)), " ".join(f"{m:.4f}" for m in means)]


if __name__ == "__main__":
    main()
