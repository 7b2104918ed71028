import random

from offline.selection.duplicates import ChosenTexts, cut_shingles, mask_names, measure_similarity

TEXT = "Like The Quiet Pier, which you loved, Harbour Lights is a crime drama that Ada Lund directed in 1987."


def test_a_text_that_differs_in_a_word_at_its_end_is_a_near_duplicate() -> None:
    chosen = ChosenTexts(max_skeleton_copies=9, max_similarity=0.8)
    assert chosen.find_reason(TEXT, TEXT) is None
    chosen.add(TEXT, TEXT)
    assert chosen.find_reason(TEXT.replace("1987", "1988"), "other") == "near_duplicate"
    assert chosen.find_reason("Ada Lund made this drama about a pilot who hides a letter.", "other") is None


def test_a_similarity_of_1_allows_all_but_copies() -> None:
    chosen = ChosenTexts(max_skeleton_copies=9, max_similarity=1.0)
    chosen.add(TEXT, TEXT)
    assert chosen.find_reason(TEXT.upper(), "other") == "near_duplicate"
    assert chosen.find_reason(TEXT.replace("1987", "1988"), "other") is None


def test_a_skeleton_may_be_used_as_often_as_the_recipe_says() -> None:
    chosen = ChosenTexts(max_skeleton_copies=2, max_similarity=0.8)
    chosen.add("Like Heat, Ronin is a thriller.", "like <h1> , <t> is a thriller .")
    assert chosen.find_reason("Like Alien, Sunshine is a thriller.", "like <h2> , <t> is a thriller .") is None
    chosen.add("Like Alien, Sunshine is a thriller.", "like <h2> , <t> is a thriller .")
    assert (
        chosen.find_reason("Like Fargo, Memento is a thriller.", "like <h1> , <n3> is a thriller .")
        == "repeated_skeleton"
    )


def test_skeletons_have_neither_names_nor_case() -> None:
    assert mask_names("Like <h12> , <t> is by <n1> from <y2>") == "like _ , _ is by _ from _"


def test_no_near_duplicate_is_missed_among_many_texts() -> None:
    rng = random.Random(0)
    words = [f"word{number}" for number in range(400)]
    texts = [" ".join(rng.choices(words, k=20)) for _ in range(300)]
    chosen = ChosenTexts(max_skeleton_copies=9, max_similarity=0.8)
    for text in texts:
        assert chosen.find_reason(text, text) is None
        chosen.add(text, text)
    changed = [f"{text.rsplit(maxsplit=1)[0]} end" for text in texts]
    similar = [measure_similarity(cut_shingles(a), cut_shingles(b)) for a, b in zip(texts, changed, strict=True)]
    assert min(similar) > 0.8
    assert [chosen.find_reason(text, text) for text in changed] == ["near_duplicate"] * len(changed)
