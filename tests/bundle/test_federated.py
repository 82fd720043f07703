"""Two sites in a federation: MONAI's MonaiAlgo on the bundle's configs, and what passes between site and server."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems, FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject
from torch import nn

from monai_tbkd.engines import federated_averaging, federated_site
from monai_tbkd.networks import ActivationMapNet, FrameMaskView, ViewedNet
from monai_tbkd.networks.checkpoint import read_record
from tests.conftest import REPOSITORY, SMALL_NETWORK, SMALL_RECIPE, run_bundle

Sent = list[ExchangeObject]


def network() -> ActivationMapNet:
    return ActivationMapNet(num_classes=1, **SMALL_NETWORK)


class Watched(MonaiAlgo):
    """Keeps what leaves the site."""

    sent: Sent

    def get_weights(self, extra: dict[str, Any] | None = None) -> ExchangeObject:
        update = super().get_weights(extra)
        self.sent.append(pickle.loads(pickle.dumps(update)))
        return update


def open_site(stage: str, phantoms: Path, folder: Path, name: str, **more: Any) -> Watched:
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(folder / name), "output_dir": str(folder / name / "out")}
    settings = {"device": "$torch.device('cpu')", "max_epochs": 1, **where, **more}
    site = federated_site(stage, REPOSITORY / "bundle", settings, [SMALL_RECIPE])
    site.__class__ = Watched
    site.sent = []
    site.initialize({ExtraItems.CLIENT_NAME: name})
    return site


def check_only_weights_and_counts(update: ExchangeObject, whole: nn.Module, phantoms: Path) -> None:
    """Of a site's update every number has a place in the network or is a count, and no image's name is in it."""
    shapes = {name: value.shape for name, value in whole.state_dict().items()}
    assert {name: value.shape for name, value in update.weights.items()} == shapes
    assert update.optim is None
    assert update.metrics is None
    assert all(isinstance(value, int) for value in update.statistics.values())
    assert not dict(update)
    carried = pickle.dumps([update.weights, update.statistics])
    images = [path.stem for path in (phantoms / "imgs").rglob("*.png")]
    assert images
    assert not [name for name in (*images, str(phantoms)) if name.encode() in carried]


def test_the_check_sees_what_must_not_leave(phantoms: Path) -> None:
    weights = dict(network().state_dict())
    check_only_weights_and_counts(ExchangeObject(weights=weights, statistics={"n": 1}), network(), phantoms)
    for extra in ({"image": torch.zeros(64, 64)}, {"head.weight": torch.zeros(64, 64)}):
        with pytest.raises(AssertionError):
            check_only_weights_and_counts(ExchangeObject(weights=weights | extra, statistics={}), network(), phantoms)
    with pytest.raises(AssertionError):
        check_only_weights_and_counts(ExchangeObject(weights=weights, statistics={"of": "tb0001"}), network(), phantoms)


@pytest.mark.bundle
def test_a_round_of_two_sites(phantoms: Path, tmp_path: Path) -> None:
    # the second holds more images out, so that it makes fewer steps and weighs less
    held_out = {"large": {}, "small": {"select": 0.6}}
    for stage, start, checkpoint in (
        ("teacher", ViewedNet(network(), FrameMaskView(0.1)), "teacher.pt"),
        ("student", network(), "model.pt"),
    ):
        sites = [open_site(stage, phantoms, tmp_path, name, **more) for name, more in held_out.items()]
        before = {name: value.clone() for name, value in start.state_dict().items()}
        weights = federated_averaging(sites, start.state_dict(), rounds=1)
        updates = [site.sent[0] for site in sites]
        steps = [update.statistics[FlStatistics.NUM_EXECUTED_ITERATIONS] for update in updates]
        assert steps == [2, 1]
        for update in updates:
            check_only_weights_and_counts(update, start, phantoms)
        for name, value in weights.items():
            one, two = (update.weights[name].double() for update in updates)
            expected = (2 * one + two) / 3
            if not value.is_floating_point():
                expected = expected.round()
            torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-7)
        changed = [name for name in weights if not torch.equal(weights[name], before[name])]
        assert any("head" in name for name in changed)
        assert any(name.endswith("running_mean") for name in changed)
        for site in sites:
            metrics = site.evaluate(ExchangeObject(weights=weights)).metrics
            assert set(metrics) == {"val/auc", "val/union_mask_miou", "val/pointing_game"}
            assert all(isinstance(value, float) for value in metrics.values())
            site.finalize()
        check_received(tmp_path, checkpoint, stage, weights)


def check_received(folder: Path, checkpoint: str, stage: str, weights: dict[str, torch.Tensor]) -> None:
    """Each site holds the average, with a record of its own images."""
    records = []
    for name in ("large", "small"):
        record = read_record(folder / name / checkpoint)
        assert record is not None
        assert (record["stage"], record["epochs"], record["federated"]) == (stage, 1, True)
        written = torch.load(folder / name / checkpoint, weights_only=True)
        average = {key.removeprefix("network."): value for key, value in weights.items()}
        assert written.keys() == average.keys()
        assert all(torch.equal(written[key], average[key]) for key in average)
        records.append(record)
    assert records[0]["settings"]["train_sha256"] != records[1]["settings"]["train_sha256"]


@pytest.mark.bundle
def test_weights_before_the_last_round_are_not_recorded(phantoms: Path, tmp_path: Path) -> None:
    site = open_site("teacher", phantoms, tmp_path, "site", max_epochs=2)
    weights = federated_averaging([site], ViewedNet(network(), FrameMaskView(0.1)).state_dict(), rounds=1)
    site.evaluate(ExchangeObject(weights=weights))
    assert not (tmp_path / "site" / "teacher.pt").exists()
    weights = federated_averaging([site], weights, rounds=1)  # the site goes on where it was
    site.evaluate(ExchangeObject(weights=weights))
    assert (tmp_path / "site" / "teacher.pt").exists()


@pytest.mark.bundle
@pytest.mark.usefixtures("undrawn")
def test_what_a_site_has_received_is_evaluated_and_an_unfinished_training_is_not_gone_on_with(
    phantoms: Path, tmp_path: Path
) -> None:
    for stage, start, checkpoint in (
        ("teacher", ViewedNet(network(), FrameMaskView(0.1)), "teacher.pt"),
        ("student", network(), "model.pt"),
    ):
        left = (tmp_path / "site" / checkpoint).with_suffix(".training.pt")
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"of a training here")
        site = open_site(stage, phantoms, tmp_path, "site")
        site.evaluate(ExchangeObject(weights=federated_averaging([site], start.state_dict(), rounds=1)))
        assert left.read_bytes() == b"of a training here"
    where = {"dataset_dir": str(phantoms), "ckpt_dir": str(tmp_path / "site"), "output_dir": str(tmp_path / "out")}
    run_bundle(["train", "evaluate"], **where, max_epochs=1)
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stage is 'both'"):
        federated_site("both", REPOSITORY / "bundle", {})
    with pytest.raises(FileNotFoundError, match=r"no configs/train\.yaml or \.json"):
        federated_site("teacher", tmp_path, {})
