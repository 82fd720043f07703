from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from monai_tbkd.bundle.config_files import read_config
from monai_tbkd.packaging.packaged_configs import as_json, first_part, lay_over, resolve_files, start_at_run


def test_layers_replace_and_merge_as_monai_does() -> None:
    config = {"a": {"b": [1], "c": 2}, "d": 3}
    out = lay_over(config, {"a::c": 5, "+a::b": [7], "e": {"f": 1}, "d": 4})
    assert out == {"a": {"b": [1, 7], "c": 5}, "d": 4, "e": {"f": 1}}
    assert config == {"a": {"b": [1], "c": 2}, "d": 3}
    with pytest.raises(ValueError, match="a::b::x::y can't be laid over"):
        lay_over({"a": {"b": [1]}}, {"a::b::x::y": 1})


def test_first_part_of_ids() -> None:
    assert [first_part(key) for key in ("a", "+a::b", "a#b#c")] == ["a", "a", "a"]


def test_what_other_files_hold_is_put_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "common.yaml").write_text("net: {size: 3, deep: '%more.json::x'}\nown: '%net'\n")
    (tmp_path / "parts" / "more.json").write_text('{"x": [1, 2]}')
    config = {
        "a": ["%parts/common.yaml::net", "%parts/common.yaml#net#size"],
        "b": "%parts/common.yaml::own",
        "c": "%a",
        "d": "100 %",
    }
    out = resolve_files(config, tmp_path)
    assert out["a"] == [{"size": 3, "deep": [1, 2]}, 3]
    assert out["b"] == {"size": 3, "deep": [1, 2]}
    assert (out["c"], out["d"]) == ("%a", "100 %")  # those within a config stay
    with pytest.raises(ValueError, match=r"none\.yaml, which is not there"):
        resolve_files({"a": "%none.yaml::x"}, tmp_path)
    with pytest.raises(ValueError, match="names y"):
        resolve_files({"a": "%parts/more.json::y"}, tmp_path)


def test_what_is_done_first_is_asked_for_by_each_run_and_done_once() -> None:
    config = {
        "imports": ["$import builtins"],
        "initialize": ["$builtins.done.append(1)", "$builtins.done.append(2)"],
        "run": ["$builtins.done.append(3)"],
        "run_other": ["$builtins.done.append(4)"],
        "running": ["$0"],
    }
    out = start_at_run(config)
    assert "initialize" not in out
    assert list(out) == ["imports", "start", "run", "run_other", "running"]
    assert out["running"] == ["$0"]
    import builtins

    builtins.done = []  # type: ignore[attr-defined]
    parser = ConfigParser(config=out)
    for item in range(len(out["run"])):
        parser.get_parsed_content(f"run::{item}")
    assert builtins.done == [1, 2, 3]  # type: ignore[attr-defined]


def test_json_is_the_same_bytes_and_refuses_what_it_can_not_hold(tmp_path: Path) -> None:
    text = as_json({"b": 1.0e-4, "a": [True, None, "ä"]})
    assert text == as_json(json.loads(text))
    assert text.startswith('{\n    "b": 0.0001,\n    "a"')
    assert "ä" in text
    with pytest.raises(ValueError):
        as_json({"a": float("nan")})
    (tmp_path / "c.yaml").write_text("day: 2020-01-01\n")
    with pytest.raises(ValueError, match="put it in quotes"):
        as_json(read_config(tmp_path / "c.yaml"))
    (tmp_path / "d.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="holds list"):
        read_config(tmp_path / "d.yaml")
