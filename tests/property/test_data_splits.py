import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.config import DataSettings
from xraygan.data.batches import BatchOrder
from xraygan.data.duplicates import is_duplicate
from xraygan.data.manifest import SPLITS
from xraygan.data.splits import assign, carve

COLUMNS = ["name", "split", "label", "pixel_sha256"]
ROW = st.tuples(
    st.integers(0, 12),  # patient
    st.sampled_from([*SPLITS, None]),
    st.sampled_from("AB"),
    st.integers(0, 30),  # pixels
)


def records(rows: list[tuple[int, str | None, str, int]], folders: bool) -> pd.DataFrame:
    values = [
        (
            f"{label}/phantom{patient}_{i}.png",
            (split or "train") if folders else None,
            label,
            str(p),
        )
        for i, (patient, split, label, p) in enumerate(rows)
    ]
    return pd.DataFrame(values, columns=COLUMNS, dtype=object)


@given(st.lists(ROW, min_size=1, max_size=60), st.booleans(), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_no_patient_and_no_picture_in_two_splits(rows: list, folders: bool, seed: int) -> None:
    table, refused, _ = assign(records(rows, folders), DataSettings(split_seed=seed))
    assert len(table) + len(refused) == len(rows)
    assert set(table["name"]) | {name for name, _ in refused} == set(records(rows, folders)["name"])
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    assert table["pixel_sha256"].is_unique
    labels: dict[int, set[str]] = {}
    for _, _, label, pixels in rows:
        labels.setdefault(pixels, set()).add(label)
    # A picture is lost if and only if its labels contradict each other.
    assert len(table) == sum(len(found) == 1 for found in labels.values())
    assert sum(not is_duplicate(reason) for _, reason in refused) == sum(
        len(labels[row[3]]) == 2 for row in rows
    )


@given(st.lists(ROW, min_size=1, max_size=40), st.booleans(), st.randoms())
@settings(max_examples=80, deadline=None)
def test_order_makes_no_difference(rows: list, folders: bool, random: object) -> None:
    table = records(rows, folders)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first = assign(table, DataSettings())
    second = assign(table.iloc[order].reset_index(drop=True), DataSettings())
    assert first[0].reset_index(drop=True).equals(second[0].reset_index(drop=True))
    assert first[1:] == second[1:]


@given(
    st.sets(st.integers(0, 10_000), min_size=40, max_size=200),
    st.sets(st.integers(10_001, 20_000), max_size=100),
    st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_choice_is_stable_when_patients_are_added(old: set, new: set, seed: int) -> None:
    before = carve([(f"p{i}", "A") for i in old], 0.2, seed, "val", most=0.5)
    after = carve([(f"p{i}", "A") for i in old | new], 0.2, seed, "val", most=0.5)
    assert before == after & {f"p{i}" for i in old}


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ABC")), min_size=1, max_size=80),
    st.floats(0.01, 0.49),
)
@settings(max_examples=150, deadline=None)
def test_never_more_than_the_share_of_any_class(pairs: list, fraction: float) -> None:
    named = [(f"p{patient}", label) for patient, label in pairs]
    chosen = carve(named, fraction, 0, "val", most=0.5)
    for label in "ABC":
        patients = {patient for patient, own in named if own == label}
        assert len(patients & chosen) <= len(patients) / 2


@given(st.integers(1, 50), st.integers(0, 2**64 - 1), st.integers(0, 400), st.integers(0, 90))
@settings(max_examples=100, deadline=None)
def test_batches_are_a_window_of_one_sequence(n: int, seed: int, seen: int, count: int) -> None:
    order = BatchOrder(n, seed)
    window = order.indices(seen, count)
    one_by_one = [int(BatchOrder(n, seed).indices(seen + i, 1)[0]) for i in range(min(count, 5))]
    assert list(window[:5]) == one_by_one
    whole = order.indices(0, n * 2)
    assert np.array_equal(np.sort(whole[:n]), np.arange(n))
