"""Groups samples into people by their embeddings and assigns people to train, val and test.

Similarity is the cosine of mean embeddings. Groups are merged by average linkage down to a threshold. For unit vectors
the average over all pairs of two groups is the dot product of their means, so no matrix of all pairs is needed.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Face:
    """Facts of one sample for grouping."""

    track: str
    """Clip and track; samples of one track show one person."""
    known_person: str | None
    """From the layout or a table."""
    embedding: np.ndarray
    """Mean embedding of its frames, not normalised."""
    frames: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class People:
    """People and splits, one entry for each face."""

    person: tuple[str | None, ...]
    """Name or code; None if the face does not match its known person."""
    split: tuple[str, ...]
    """Split of the face's person."""
    similarity: tuple[float, ...]
    """To the known person; 1 if there is none."""


def sort_people(
    faces: Sequence[Face], *, same_person: float, same_side: float, val_share: float, test_share: float, seed: int
) -> People:
    """Group faces into people and assign people to splits.

    Args:
        faces: in a fixed order.
        same_person: similarity at which two groups are one person.
        same_side: similarity at which two people go to the same split.
        val_share: share of people in val.
        test_share: share of people in test.
        seed: of the assignment to splits.
    """
    tracks = sorted({face.track for face in faces})
    number = {track: i for i, track in enumerate(tracks)}
    embedding = np.zeros((len(tracks), len(faces[0].embedding)))
    frames = np.zeros(len(tracks))
    known: list[str | None] = [None] * len(tracks)
    for face in faces:
        track = number[face.track]
        embedding[track] += face.frames * _unit(face.embedding)
        frames[track] += face.frames
        known[track] = face.known_person
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True).clip(min=1e-9)
    names, similarity = _name_tracks(embedding, known, frames, same_person)
    splits = _assign_splits(names, embedding, frames, same_side, (val_share, test_share), seed)
    return People(
        person=tuple(names[number[face.track]] for face in faces),
        split=tuple(splits.get(names[number[face.track]] or "", SPLITS[0]) for face in faces),
        similarity=tuple(similarity[number[face.track]] for face in faces),
    )


def _name_tracks(
    embedding: np.ndarray, known: list[str | None], frames: np.ndarray, same_person: float
) -> tuple[list[str | None], list[float]]:
    """Name of each track's person, None if it contradicts the known person, and similarity to that."""
    names: list[str | None] = [None] * len(known)
    similarity = [1.0] * len(known)
    means: dict[str, np.ndarray] = {}
    for person in sorted({name for name in known if name is not None}):
        rows = np.array([i for i, name in enumerate(known) if name == person])
        group = cluster(embedding[rows], DIFFERENT_PERSON)
        sizes = np.bincount(group, frames[rows])
        belongs = group == int(sizes.argmax())
        means[person] = _unit(embedding[rows[belongs]].mean(0))
        for row, fits in zip(rows, belongs, strict=True):
            names[row] = person if fits else None
            similarity[row] = float(embedding[row] @ means[person])
    rows = np.array([i for i, name in enumerate(known) if name is None], int)
    if not len(rows):
        return names, similarity
    group = cluster(embedding[rows], same_person)
    taken, next_number = set(means), 1
    for code in range(int(group.max()) + 1):
        members = rows[group == code]
        mean = embedding[members].mean(0)
        nearest = max(means, key=lambda person: float(means[person] @ mean), default=None)
        if nearest is not None and float(means[nearest] @ mean) >= same_person:
            name = nearest
        else:
            while f"p{next_number:04d}" in taken:
                next_number += 1
            name = f"p{next_number:04d}"
            next_number += 1
        for row in members:
            names[row] = name
    return names, similarity


DIFFERENT_PERSON = 0.25
"""Similarity below which two groups of one known person are different people. Halves of one clip are above 0.31, clips
of one person above 0.7; 95 % of pairs of people are below 0.24."""


def cluster(embedding: np.ndarray, threshold: float) -> np.ndarray:
    """Average linkage by nearest-neighbour chains.

    Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983.

    Args:
        embedding: (n, e) unit length.
        threshold: groups with a lower mean similarity are not merged.

    Returns:
        (n,) group of each row, numbered in the order of first appearance.
    """
    count = len(embedding)
    means = embedding.astype(np.float64).copy()
    sizes = np.ones(count)
    parent = np.arange(count)
    open_rows = np.ones(count, bool)
    chain: list[int] = []
    while open_rows.any():
        if not chain:
            chain.append(int(open_rows.argmax()))
        last = chain[-1]
        similarity = np.where(open_rows, means @ means[last], -np.inf)
        similarity[last] = -np.inf
        nearest = int(similarity.argmax())
        if len(chain) > 1 and similarity[chain[-2]] >= similarity[nearest]:
            nearest = chain[-2]
        if similarity[nearest] < threshold:
            open_rows[last] = False  # merging others cannot bring them nearer than its nearest is now
            chain.pop()
        elif len(chain) > 1 and nearest == chain[-2]:
            kept, joined = sorted((chain.pop(), chain.pop()))
            share = sizes[joined] / (sizes[kept] + sizes[joined])
            means[kept] += share * (means[joined] - means[kept])
            sizes[kept] += sizes[joined]
            parent[joined] = kept
            open_rows[joined] = False
        else:
            chain.append(nearest)
    roots = [_root(parent, row) for row in range(count)]
    first = {root: i for i, root in enumerate(dict.fromkeys(roots))}
    return np.array([first[root] for root in roots], int)


def _root(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        row = int(parent[row])
    return row


def _assign_splits(
    names: list[str | None],
    embedding: np.ndarray,
    frames: np.ndarray,
    same_side: float,
    shares: tuple[float, float],
    seed: int,
) -> dict[str, str]:
    """Split of each person. The largest group is in train; the others are drawn by a hash of their names."""
    people = sorted({name for name in names if name is not None})
    if not people:
        return {}
    rows = {person: [i for i, name in enumerate(names) if name == person] for person in people}
    amount = {person: float(frames[rows[person]].sum()) for person in people}
    means = np.stack([_unit(embedding[rows[person]].mean(0)) for person in people])
    group = cluster(means, same_side)
    if group.max() == 0:  # all in one group: similar people in two splits are better than no validation
        group = np.arange(len(people))
    groups = [[person for person, code in zip(people, group, strict=True) if code == one] for one in np.unique(group)]
    groups.sort(key=lambda members: hashlib.sha256(f"{seed}:{members[0]}".encode()).hexdigest())
    largest = max(groups, key=lambda members: sum(amount[person] for person in members))
    drawn = [members for members in groups if members is not largest]
    split_of = dict.fromkeys(people, SPLITS[0])
    for split, count in zip(SPLITS[1:], _counts(len(people), len(drawn), shares), strict=True):
        taken = 0
        while drawn and taken < count:
            members = drawn.pop(0)
            taken += len(members)
            split_of |= dict.fromkeys(members, split)
    return split_of


def _counts(people: int, drawn: int, shares: tuple[float, float]) -> tuple[int, int]:
    """Number of people in val and in test: at least one each if there are enough people and the share is not 0."""
    counts = []
    for share, needed in zip(shares, (1, 2), strict=True):
        counts.append(max(round(people * share), 1 if share > 0 and drawn >= needed else 0))
    if drawn and not counts[0]:
        counts[0] = 1  # training needs a validation set
    return counts[0], counts[1]


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, np.float64) / max(float(np.linalg.norm(vector)), 1e-9)
