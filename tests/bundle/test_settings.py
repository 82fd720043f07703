from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from monai_tbkd.bundle import bundle_files, choices, literal, set_option, truth

NAMES = ["20261130", "1e3", "0x10", "1_000", "a,b", "Doe, John", "[old]", "(old)", "{old}", "None", "true", "a#b", "#a",
         "@x", "$x", "a@b", "a'b", 'a"b', "a::b", "-1", "~x", "a b", "ä#é"]  # fmt: skip


def settings(monkeypatch: pytest.MonkeyPatch, *flags: str, config: str = "inference", **given: Any) -> ConfigParser:
    """Settings as ``python -m monai.bundle run`` sees them with these flags, by python-fire's own parser."""
    import fire

    file = str(bundle_files() / "configs" / f"{config}.yaml")
    parser = ConfigParser()
    parser.read_config(file)
    main = ModuleType("__main__")
    if flags:
        main.__spec__ = SimpleNamespace(name="monai.bundle.__main__")  # type: ignore[assignment]
        monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", "--config_file", file, *flags])
        given = fire.Fire(lambda **values: values, command=list(flags), serialize=lambda _: "") | given
    monkeypatch.setitem(sys.modules, "__main__", main)
    parser.update({key: value for key, value in given.items() if value is not None})
    parser.parse(True)
    parser.get_parsed_content("initialize::1")
    return parser


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_taken_as_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    found = settings(monkeypatch, f"--dataset_dir={name}", "--ckpt_dir", str(tmp_path / name))
    assert found.get_parsed_content("dataset_dir") == name
    assert found.get_parsed_content("student_checkpoint") == str(tmp_path / name) + "/model.pt"
    assert ConfigParser({"folder": literal(name)}).get_parsed_content("folder") == name


@pytest.mark.parametrize("name", [name for name in NAMES if name[0] not in "@$%[~"])
def test_a_folder_that_is_not_there_yet_is_taken_as_typed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, f"--output_dir={name}").get_parsed_content("output_dir") == name


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (["--resume"], "resume", True),
        (["--nodraw_overlays"], "draw_overlays", False),
        (["--draw_overlays", "no"], "draw_overlays", False),
        (["--draw_overlays=0"], "draw_overlays", False),
        (["--amp", "false"], "amp", False),
        (["--amp", "off"], "amp", False),
        (["--progress_bar", "no"], "progress_bar", False),
        (["--output_dir", "[new]"], "output_dir", "[new]"),
        (["--batch_size", "1e1"], "batch_size", 10),
        (["--min_age", "0"], "min_age", 0),
        (["--smallest_area", "1e-3"], "smallest_area", 0.001),
        (["--weights", "None"], "weights", None),
        (["--map_threshold", "null"], "map_threshold", None),
        (["--map_threshold", "0.4"], "map_threshold", 0.4),
        (["--voi", "none"], "voi", "none"),
        (["--check_frontal", "off"], "check_frontal", "off"),
        (["--dicom_output", "true"], "dicom_output", True),
        (["--dicom_output", "sr,sc"], "dicom_output", ("sr", "sc")),
        (["--output_dir", "$@bundle_root + '/x'", "--bundle_root", "/b"], "output_dir", "/b/x"),
        (["--output_dir", '"20261130"'], "output_dir", "20261130"),
        (["--device", "cpu"], "device", torch.device("cpu")),
        (["--bootstrap_resamples", "50"], "bootstrap_resamples", 50),  # of evaluate.yaml
        (["--network_def#width", "0.5"], "network_def::width", 0.5),
    ],
)
def test_values_get_the_type_of_their_default(
    flags: list[str], key: str, value: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert settings(monkeypatch, *flags).get_parsed_content(key) == value


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--film_size", "3"], "--film_size: there is no setting of this name; it is called whole_image_size now."),
        (["--datasetdir", "x"], "--datasetdir: there is no setting of this name; did you mean dataset_dir?"),
        (["--device", "cuda:7"], "device is 'cuda:7', which is not there; this machine has cpu"),
        (["--amp", "maybe"], "amp is 'maybe'; expected true or false"),
        (["--device", "0"], "device is 0, which is not there"),
        (["--device", "None"], "device is None, which is not there"),
        (["--smallest_area", "nan"], "smallest_area is 'nan'; expected a number"),
        (["--device", "gpu"], "device is 'gpu', which is not there"),
        (["--batch_size", "0"], "batch_size is 0; expected a whole number, 1 or more"),
        (["--num_workers", "-1"], "num_workers is -1; expected a whole number, 0 or more"),
        (["--grid", "2.5"], "grid is 2.5; expected a whole number"),
        (["--largest_number", "abc"], "largest_number is 'abc'; expected a number"),
        (["--smallest_area", "0,1"], "smallest_area is '0,1'; expected a number"),
        (["--image_size", "12#8"], "image_size is '12#8'; expected a number"),
        (["--draw_overlays", "maybe"], "draw_overlays is 'maybe'; expected true or false"),
        (["--output_dir", ""], "output_dir is empty; expected a path"),
        (["--output_dir", "@nowhere"], "for a folder or file of this name give ./@nowhere"),
        (["--output_dir", "$nowhere"], "for a folder or file of this name give ./$nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    flags: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError) as error:
        settings(monkeypatch, *flags)
    assert isinstance(error.value.__cause__, ValueError)
    assert said in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset_dir": 20261130}, "dataset_dir is 20261130, which is no text; put it in quotes"),
        ({"output_dir": "/x/out#1"}, "output_dir is '/x/out::1'. MONAI makes :: of a # in a name"),
        ({"batch_size": True}, "batch_size is True; expected a whole number"),
        ({"amp": "maybe"}, "amp is 'maybe'"),
        ({"draw_overlays": "maybe"}, "draw_overlays is 'maybe'; expected true or false"),
        ({"check_frontal": False}, "check_frontal is False, which is no text; put it in quotes"),
    ],
)
def test_values_of_a_file_or_a_program_are_checked_too(
    given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError) as error:
        settings(monkeypatch, **given)
    assert said in str(error.value.__cause__)


def test_text_in_a_file_becomes_a_number_or_a_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = settings(monkeypatch, smallest_area="1e-3", draw_reports="false", output_dir=tmp_path / "a#b")
    assert found.get_parsed_content("smallest_area") == 0.001
    assert found.get_parsed_content("draw_reports") is False
    assert found.get_parsed_content("output_dir") == str(tmp_path / "a#b")


def test_training_takes_a_list_of_folders(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = settings(monkeypatch, "--dataset_dir", "['a#1', 'b']", "--learning_rate", "1e-3", config="train")
    assert found.get_parsed_content("dataset_dir") == ["a#1", "b"]
    assert found.get_parsed_content("learning_rate") == 0.001


@pytest.mark.parametrize("option", ["min_age", "=1"])
def test_an_option_without_key_or_value_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="expected KEY=VALUE"):
        set_option(option)


def test_an_option_that_no_config_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no config has batch_sze; did you mean batch_size"):
        set_option("batch_sze=3")


def test_a_file_of_arguments_is_read_as_flags_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "args.yaml").write_text("output_dir: 2026-11-30\ndataset_dir: a#b\nckpt_dir: null\nmin_age: '0'\n")
    found = settings(monkeypatch, "--args_file", str(tmp_path / "args.yaml"))
    assert found.get_parsed_content("output_dir") == "2026-11-30"
    assert found.get_parsed_content("dataset_dir") == "a#b"
    assert found.get_parsed_content("ckpt_dir").endswith("/models")
    assert found.get_parsed_content("min_age") == 0


def test_options_are_typed_as_flags_are() -> None:
    assert set_option("dataset_dir=20261130") == ("dataset_dir", "20261130")
    assert set_option("stride_in_1x1=yes") == ("stride_in_1x1", True)
    assert set_option("learning_rate=1e-4") == ("learning_rate", 1e-4)
    assert set_option("class_weights=(0.1, 0.2)") == ("class_weights", [0.1, 0.2])
    assert set_option("most_unlabeled=200") == ("most_unlabeled", 200)
    assert set_option("unlabeled=20261130") == ("unlabeled", "20261130")
    assert set_option("class_weights=[0.1, 0.2]") == ("class_weights", [0.1, 0.2])


@pytest.mark.parametrize(
    ("word", "value"), [("false", False), ("True", True), ("no", False), (True, True), ("1", True)]
)
def test_words_for_yes_and_no(word: object, value: bool) -> None:
    assert truth(word) is value


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="lung_crop is 'maybe'"):
        truth("maybe", "lung_crop")


def test_features_may_be_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, "--features_dir", "null", "--whole_image_size", "256", config="train")
    assert found.get_parsed_content("features_dir") is None
    assert found.get_parsed_content("whole_image_size") == 256


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (False, ()), (None, ()), ("false", ()), ("Off", ()), ([], ()), ("[]", ()), (0, None), (1.5, None), ([1], None),
        (True, ("a", "b")), ("TRUE", ("a", "b")), ("b", ("b",)), ("b, C,b", ("b", "c")), (["B", "c"], ("b", "c")),
        (("b",), ("b",)), ("['b', 'c']", ("b", "c")), ("(b,c)", ("b", "c")),
    ],
)  # fmt: skip
def test_choices(given: object, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="expected true, false, a word, or a list"):
            choices(given, ["a", "b"])
    else:
        assert choices(given, ["a", "b"]) == expected
