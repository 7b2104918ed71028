import pytest

from offline.oracle.answers import clean_answer, clean_candidates

TEXT = "You might like Harbour Lights."


@pytest.mark.parametrize(
    "written",
    [
        TEXT,
        f"  {TEXT}\n",
        f"Explanation: {TEXT}",
        f"Sure, here it is:\n\n{TEXT}",
        f'"{TEXT}"',
        f"“{TEXT}”",
        f"{TEXT}\n\nHistory of the user:\n- Heat (loved)",
        f"Here is an explanation:\n\nExplanation: {TEXT}",
    ],
)
def test_what_models_put_around_an_explanation_goes(written: str) -> None:
    assert clean_answer(written) == TEXT


@pytest.mark.parametrize("written", ['"Heat" is like "Ronin".', "You asked for this:", "'Tis your cousins' film."])
def test_what_belongs_to_the_text_stays(written: str) -> None:
    assert clean_answer(written) == written


def test_empty_and_repeated_candidates_are_dropped_in_order() -> None:
    assert clean_candidates(["b.", " ", "", "a.", "b. ", "Explanation:"]) == ("b.", "a.")
