"""Grouping of samples into people, and splits of people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.prepare.people import SPLITS, Face, People, cluster, sort_people


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def crowd(rng: np.random.Generator, counts: list[int], *, spread: float = 0.5, size: int = 48) -> np.ndarray:
    """`counts[i]` unit vectors near the i-th of some unrelated directions."""
    centres = unit(rng.normal(size=(len(counts), size)))
    rows = np.repeat(centres, counts, axis=0)
    return unit(rows + spread * rng.normal(size=rows.shape) / np.sqrt(size))


def average_linkage(rows: np.ndarray, threshold: float) -> np.ndarray:
    """Slow reference: merge the two most similar groups until none is similar enough."""
    groups = [[i] for i in range(len(rows))]
    table = rows @ rows.T
    while len(groups) > 1:
        pairs = [(table[np.ix_(a, b)].mean(), i, j) for i, a in enumerate(groups) for j, b in enumerate(groups[:i])]
        best, i, j = max(pairs)
        if best < threshold:
            break
        groups[j] += groups.pop(i)
    label = np.zeros(len(rows), int)
    for number, group in enumerate(sorted(groups, key=min)):
        label[group] = number
    return label


@given(st.integers(0, 10**6), st.floats(-0.2, 0.9))
def test_chains_find_what_average_linkage_finds(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    rows = crowd(rng, rng.integers(1, 5, 6).tolist(), spread=float(rng.uniform(0.2, 2)), size=8)
    assert np.array_equal(cluster(rows, threshold), average_linkage(rows, threshold))


def test_people_are_separated(rng: np.random.Generator) -> None:
    counts = [6, 4, 3, 1, 1]
    found = cluster(crowd(rng, counts), 0.5)
    assert np.array_equal(found, np.repeat(np.arange(5), counts))


def faces(rows: np.ndarray, *, known: list[str | None] | None = None, tracks: list[str] | None = None) -> list[Face]:
    known = known or [None] * len(rows)
    tracks = tracks or [f"clip{i:03d}:0" for i in range(len(rows))]
    return [
        Face(track=track, known_person=person, embedding=row, frames=10)
        for row, person, track in zip(rows, known, tracks, strict=True)
    ]


def sort(found: list[Face], **changes: float) -> People:
    shares = {"same_person": 0.5, "same_side": 0.35, "val_share": 0.2, "test_share": 0.2} | changes
    return sort_people(found, seed=int(shares.pop("seed", 0)), **shares)


def test_unknown_people_get_codes_and_splits(rng: np.random.Generator) -> None:
    counts = [4, 3, 3, 2, 2, 2, 2, 1, 1, 1]
    people = sort(faces(crowd(rng, counts)))
    assert people.person == tuple(f"p{i + 1:04d}" for i in np.repeat(np.arange(10), counts))
    splits = dict(zip(people.person, people.split, strict=True))
    assert [list(splits.values()).count(split) for split in SPLITS] == [6, 2, 2]
    assert splits["p0001"] == "train"  # most frames
    assert people.split == sort(faces(crowd(np.random.default_rng(0), counts))).split
    assert people.split != sort(faces(crowd(np.random.default_rng(0), counts)), seed=1).split


@given(st.integers(0, 10**6))
def test_every_person_is_in_one_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = crowd(rng, rng.integers(1, 4, int(rng.integers(1, 9))).tolist(), spread=float(rng.uniform(0.2, 1.5)))
    people = sort(faces(rows), seed=seed, val_share=float(rng.uniform(0, 0.5)))
    splits: dict[str | None, set[str]] = {}
    for person, split in zip(people.person, people.split, strict=True):
        splits.setdefault(person, set()).add(split)
    assert all(len(one) == 1 for one in splits.values())
    used = set().union(*splits.values())
    assert "train" in used
    assert ("val" in used) == (len(splits) > 1)


def test_one_track_is_one_person(rng: np.random.Generator) -> None:
    rows = crowd(rng, [1] * 6)
    people = sort(faces(rows, tracks=["a:0", "a:0", "a:1", "b:0", "b:0", "b:0"]))
    assert people.person == ("p0001", "p0001", "p0002", "p0003", "p0003", "p0003")


def test_similar_people_go_to_one_split() -> None:
    base = np.eye(32)
    alike = unit(np.stack([base[0] + 1.15 * base[i] for i in range(1, 3)]))  # similarity 0.43
    others = base[10:20]
    people = sort(faces(np.concatenate([alike, others])), test_share=0.3, val_share=0.3)
    assert people.person[0] != people.person[1]
    assert people.split[0] == people.split[1]


def test_known_people_are_kept_unless_the_face_differs(rng: np.random.Generator) -> None:
    rows = crowd(rng, [5, 4, 1, 2])
    known: list[str | None] = ["ann"] * 5 + ["bob"] * 4 + ["bob"] + [None] * 2
    people = sort(faces(rows, known=known))
    assert people.person == ("ann",) * 5 + ("bob",) * 4 + (None,) + ("p0001",) * 2
    assert people.similarity[9] < 0.25 < min(people.similarity[:9])


def test_a_known_person_is_recognised_in_an_unlabelled_file(rng: np.random.Generator) -> None:
    rows = crowd(rng, [4, 3])
    people = sort(faces(rows, known=["ann", "ann", "ann", None, "bob", "bob", None]))
    assert people.person == ("ann",) * 4 + ("bob",) * 3


def test_codes_do_not_repeat_the_name_of_a_folder(rng: np.random.Generator) -> None:
    people = sort(faces(crowd(rng, [2, 1, 1]), known=["p0001", "p0001", None, None]))
    assert people.person == ("p0001", "p0001", "p0002", "p0003")


@pytest.mark.parametrize(("count", "wanted"), [(1, {"train"}), (2, {"train", "val"}), (3, {"train", "val", "test"})])
def test_few_people(rng: np.random.Generator, count: int, wanted: set[str]) -> None:
    assert set(sort(faces(crowd(rng, [2] * count)), val_share=0.1, test_share=0.1).split) == wanted


def test_two_similar_people_still_make_a_validation_split() -> None:
    alike = unit(np.stack([np.eye(8)[0] + 1.15 * np.eye(8)[i] for i in (1, 2)]))
    assert sorted(sort(faces(alike)).split) == ["train", "val"]
