from __future__ import annotations

from monai_tbkd.data.lists.pasted_copies import PASTE, with_pasted_copies


def test_copies_take_normal_images_of_the_same_source() -> None:
    items = [
        {"image": f"{source}{i}", "label": int(i >= 3), "source": source}
        for source in ("north", "south")
        for i in range(6)
    ]
    listed = with_pasted_copies(items)
    assert [each["image"] for each in listed[::3]] == [item["image"] for item in items]
    for i, item in enumerate(items):
        whole, first, second = listed[3 * i : 3 * i + 3]
        assert PASTE not in whole and first["label"] == second["label"] == item["label"]
        normal = {first[PASTE]["image"], second[PASTE]["image"]}
        assert len(normal) == 2 and item["image"] not in normal
        assert normal <= {f"{item['source']}{k}" for k in range(3)}
        assert first[PASTE]["seed"] == second[PASTE]["seed"]
        assert [first[PASTE]["inverted"], second[PASTE]["inverted"]] == [False, True]
    assert listed == with_pasted_copies(items)


def test_most_copies_stay_when_the_training_images_change() -> None:
    items = [{"image": f"{i}.png", "label": int(i >= 40), "source": "a"} for i in range(80)]
    before = {str(each) for each in with_pasted_copies(items) if PASTE in each}
    after = {str(each) for each in with_pasted_copies(items[4:]) if PASTE in each}
    assert len(after & before) > 0.7 * len(after)


def test_source_without_normal_images_has_plain_copies() -> None:
    items = [{"image": "n0", "label": 0, "source": "a"}, {"image": "t0", "label": 1, "source": "b"}]
    assert not any(PASTE in each for each in with_pasted_copies(items))
