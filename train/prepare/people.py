"""Who is who: stretches grouped into people by their faces, and people dealt out to train, val and test.

Two stretches are alike as far as their mean embeddings point the same way. Groups are joined in the order of their
likeness (average linkage) down to a threshold. For unit vectors the average over all pairs of two groups is the product
of their mean vectors, so that no table of all pairs is needed.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Face:
    """What grouping knows of one sample."""

    place: str
    """Samples of one place show one person: the same track in the same clip."""
    known_person: str | None
    """From a folder's name or a table."""
    embedding: np.ndarray
    """Mean of its frames' embeddings; any length."""
    frames: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class People:
    """The result, one entry for each face."""

    person: tuple[str | None, ...]
    """Code; None if the face is not the one that its folder names."""
    side: tuple[str, ...]
    """Split of each person."""
    likeness: tuple[float, ...]
    """To the person of its folder; 1 where the folder says nothing."""


def sort_people(
    faces: Sequence[Face], *, same_person: float, same_side: float, val_share: float, test_share: float, seed: int
) -> People:
    """Group faces into people and people into splits.

    Args:
        faces: in a fixed order.
        same_person: likeness from which on two groups are one person.
        same_side: likeness from which on two people go to the same split.
        val_share: share of people in val.
        test_share: share of people in test.
        seed: of the dealing out.
    """
    places = sorted({face.place for face in faces})
    number = {place: i for i, place in enumerate(places)}
    embedding = np.zeros((len(places), len(faces[0].embedding)))
    frames = np.zeros(len(places))
    known: list[str | None] = [None] * len(places)
    for face in faces:
        place = number[face.place]
        embedding[place] += face.frames * _unit(face.embedding)
        frames[place] += face.frames
        known[place] = face.known_person
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True).clip(min=1e-9)
    names, likeness = _name_places(embedding, known, frames, same_person)
    sides = _deal_out(names, embedding, frames, same_side, (val_share, test_share), seed)
    return People(
        person=tuple(names[number[face.place]] for face in faces),
        side=tuple(sides.get(names[number[face.place]] or "", SPLITS[0]) for face in faces),
        likeness=tuple(likeness[number[face.place]] for face in faces),
    )


def _name_places(
    embedding: np.ndarray, known: list[str | None], frames: np.ndarray, same_person: float
) -> tuple[list[str | None], list[float]]:
    """A code for each place; those that contradict their folder get none."""
    names: list[str | None] = [None] * len(known)
    likeness = [1.0] * len(known)
    means: dict[str, np.ndarray] = {}
    for person in sorted({name for name in known if name is not None}):
        rows = np.array([i for i, name in enumerate(known) if name == person])
        group = cluster(embedding[rows], DIFFERENT_PERSON)
        sizes = np.bincount(group, frames[rows])
        belongs = group == int(sizes.argmax())
        means[person] = _unit(embedding[rows[belongs]].mean(0))
        for row, fits in zip(rows, belongs, strict=True):
            names[row] = person if fits else None
            likeness[row] = float(embedding[row] @ means[person])
    rows = np.array([i for i, name in enumerate(known) if name is None], int)
    if not len(rows):
        return names, likeness
    group = cluster(embedding[rows], same_person)
    taken, next_number = set(means), 1
    for code in range(int(group.max()) + 1):
        members = rows[group == code]
        mean = embedding[members].mean(0)
        alike = max(means, key=lambda person: float(means[person] @ mean), default=None)
        if alike is not None and float(means[alike] @ mean) >= same_person:
            name = alike
        else:
            while f"p{next_number:04d}" in taken:
                next_number += 1
            name = f"p{next_number:04d}"
            next_number += 1
        for row in members:
            names[row] = name
    return names, likeness


DIFFERENT_PERSON = 0.25
"""Groups of one folder less alike than this are two people. Halves of one clip are above 0.31, clips of one person
above 0.7; 95 of 100 pairs of people are below 0.24."""


def cluster(embedding: np.ndarray, threshold: float) -> np.ndarray:
    """Average linkage by nearest-neighbour chains.

    Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983.

    Args:
        embedding: (n, e) unit length.
        threshold: groups whose mean similarity is lower stay apart.

    Returns:
        (n,) group of each row, numbered by their first rows.
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
            open_rows[last] = False  # nothing that others become can come nearer than its nearest is now
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


def _deal_out(
    names: list[str | None],
    embedding: np.ndarray,
    frames: np.ndarray,
    same_side: float,
    shares: tuple[float, float],
    seed: int,
) -> dict[str, str]:
    """Split of each person. Who has most frames is trained on; the others are drawn by a hash of their names."""
    people = sorted({name for name in names if name is not None})
    if not people:
        return {}
    rows = {person: [i for i, name in enumerate(names) if name == person] for person in people}
    amount = {person: float(frames[rows[person]].sum()) for person in people}
    means = np.stack([_unit(embedding[rows[person]].mean(0)) for person in people])
    group = cluster(means, same_side)
    if group.max() == 0:  # all alike: better two people who look alike on two sides than no validation
        group = np.arange(len(people))
    groups = [[person for person, code in zip(people, group, strict=True) if code == one] for one in np.unique(group)]
    groups.sort(key=lambda members: hashlib.sha256(f"{seed}:{members[0]}".encode()).hexdigest())
    largest = max(groups, key=lambda members: sum(amount[person] for person in members))
    drawn = [members for members in groups if members is not largest]
    sides = dict.fromkeys(people, SPLITS[0])
    wanted = _counts(len(people), len(drawn), shares)
    for split, count in zip(SPLITS[1:], wanted, strict=True):
        taken = 0
        while drawn and taken < count:
            members = drawn.pop(0)
            taken += len(members)
            sides |= dict.fromkeys(members, split)
    return sides


def _counts(people: int, drawn: int, shares: tuple[float, float]) -> tuple[int, int]:
    """People in val and in test; both get one if there are enough, and if any are wanted there."""
    counts = []
    for share, needed in zip(shares, (1, 2), strict=True):
        counts.append(max(round(people * share), 1 if share > 0 and drawn >= needed else 0))
    if drawn and not counts[0]:
        counts[0] = 1  # without validation nothing can be chosen
    return counts[0], counts[1]


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, np.float64) / max(float(np.linalg.norm(vector)), 1e-9)
