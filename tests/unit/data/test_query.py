import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.data.query import as_name, compile_where
from xraygan.errors import XrayganError

ROW = {"view": "PA", "age": 42.0, "sex": None, "Follow_up__": "3", "labels": ("Edema", "Mass")}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ('view == "PA" and age >= 18', True),
        ('view != "PA" or age < 18', False),
        ("18 <= age < 42", False),
        ("18 <= age <= 42", True),
        ("not age > 50", True),
        ('view in ("PA", "AP")', True),
        ('view not in ["PA"]', False),
        ('"Edema" in labels and "Hernia" not in labels', True),
        ("Follow_up__ > 2", True),
        ("Follow_up__ == 3", True),
        ('Follow_up__ == "3"', True),
        ('sex == "F"', False),
        ('sex != "F"', True),
        ('age < "x"', False),
        ("age > -1", True),
        ("Follow_up__ in (1, 3)", True),
    ],
)
def test_answers(question: str, answer: bool) -> None:
    assert compile_where(question, ROW)(ROW) is answer


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        ("veiw == 'PA'", "no column 'veiw'; did you mean 'view'"),
        ("__import__('os').system('x')", "Call is not allowed"),
        ("view.__class__", "Attribute is not allowed"),
        ("labels[0] == 'x'", "Subscript is not allowed"),
        ("[x for x in labels]", "ListComp is not allowed"),
        ("age * 10**9 > 1", "BinOp is not allowed"),
        ("(lambda: 1)()", "Call is not allowed"),
        ("age is None", "is not allowed|Constant is not allowed"),
        ("view == 'PA", "not an expression"),
        ("", "not an expression"),
        ("(" * 300 + "age" + ")" * 300, "not an expression"),
        ("not " * 450 + "age", "more than 200 parts"),
        ("a" * 3000, "longer than"),
        ("f'{view}' == 'PA'", "JoinedStr is not allowed"),
        ("age == b'x'", "Constant is not allowed"),
    ],
)
def test_refusals(question: str, fault: str) -> None:
    with pytest.raises(XrayganError, match=fault):
        compile_where(question, ROW)(ROW)


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        answer = compile_where(text, ROW)(ROW)
    except XrayganError:
        return
    assert answer in (True, False)


COMPARISON = st.builds(
    lambda left, op, right: f"{left} {op} {right}",
    st.sampled_from(["age", "Follow_up__", "7", "'PA'", "view", "sex"]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(["age", "view", "3", "42", "'AP'", "-2.5"]),
)


@given(COMPARISON, COMPARISON)
def test_logic_is_pythons(first: str, second: str) -> None:
    def answer(question: str) -> bool:
        return compile_where(question, ROW)(ROW)

    assert answer(f"({first}) and ({second})") == (answer(first) and answer(second))
    assert answer(f"({first}) or not ({second})") == (answer(first) or not answer(second))


def test_names_of_columns() -> None:
    assert as_name(" View Position ") == "View_Position"
    assert as_name("Frontal/Lateral") == "Frontal_Lateral"
