"""Titles as people say them, genres as the model knows them."""

import pytest

from stream_app.core.film_titles import name_genre, restore_article, split_title


@pytest.mark.parametrize(
    ("stored", "restored"),
    [
        ("Usual Suspects, The", "The Usual Suspects"),
        ("Fish Called Wanda, A", "A Fish Called Wanda"),
        ("American in Paris, An", "An American in Paris"),
        ("Misérables, Les", "Les Misérables"),
        ("Boot, Das", "Das Boot"),
        ("Enfer, L'", "L'Enfer"),
        ("Godfather: Part II, The", "The Godfather: Part II"),
        ("Adventures of Priscilla, Queen of the Desert, The", "The Adventures of Priscilla, Queen of the Desert"),
        ("Good, The Bad and The Ugly, The", "The Good, The Bad and The Ugly"),
        ("Blue Angel, The (Blaue Engel, Der)", "The Blue Angel (Der Blaue Engel)"),
        ("Star Maker, The (Uomo delle stelle, L')", "The Star Maker (L'Uomo delle stelle)"),
        ("Vie est belle, La (Life is Rosey)", "La Vie est belle (Life is Rosey)"),
        ("Seven (Se7en)", "Seven (Se7en)"),
        ("Paris, Texas", "Paris, Texas"),
        ("Cry, the Beloved Country", "Cry, the Beloved Country"),
        ("To Have, or Not", "To Have, or Not"),
        ("20,000 Leagues Under the Sea", "20,000 Leagues Under the Sea"),
        ("Truth or Consequences, N.M.", "Truth or Consequences, N.M."),
        ("Corrina, Corrina", "Corrina, Corrina"),
        ("A, The", "The A"),
        (", The", ", The"),
        ("(unfinished", "(unfinished"),
    ],
)
def test_a_leading_article_comes_back_to_the_front(stored: str, restored: str) -> None:
    assert restore_article(stored) == restored


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("Sci-Fi", "science fiction"),
        ("Film-Noir", "film noir"),
        ("Children's", "children's"),
        ("Musical", "musical"),
        ("Drama", "drama"),
    ],
)
def test_genres_have_the_names_that_the_model_learned(stored: str, named: str) -> None:
    assert name_genre(stored) == named


@pytest.mark.parametrize(
    ("entry", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", "1999"),
        ("Cry, the Beloved Country (1995)", "Cry, the Beloved Country", "1995"),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)", "The City of Lost Children", "1995"),
        ("Seven (a.k.a. Se7en) (1995)", "Seven", "1995"),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", "2009"),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers", "1975"),
        ("1984 (1956)", "1984", "1956"),
        ("2001: A Space Odyssey", "2001: A Space Odyssey", None),
        (" Babylon 5 ", "Babylon 5", None),
        ("(1999)", "(1999)", None),
    ],
)
def test_a_title_is_what_people_say_and_the_year_stands_apart(entry: str, title: str, year: str | None) -> None:
    assert split_title(entry) == (title, year)
