"""MovieLens files: films as people speak of them, facts of the content file, and tags that more than one user gave."""

from pathlib import Path

import pytest

from offline.datasets.movielens import read_movielens
from offline.datasets.rows import DropLog, SourceError
from offline.datasets.sources import MovieLensSource
from stream_app.core.events import RankedItem
from tests.offline.datasets.logs import Entry, collect_rows, count_drops, write_csv, write_dat, write_first_100k

LOG = [Entry("1", "2", 4, 978_300_000), Entry("1", "3", 5, 978_300_001)]
CONTENT = (
    "item,title,director,actors,plot\n"
    '3,Nine Lanterns (1995),"Ada Fenwick, J. R. Ostrander","A One, B Two, C Three, D Four","A plot, with a comma."\n'
    "2,The Lock House (1995),N/A,,N/A\n"
)


def read_items(folder: Path, content: Path | None = None, drops: DropLog | None = None) -> dict[str, RankedItem]:
    source = MovieLensSource(adapter="movielens", path=folder)
    data = read_movielens(source, folder, content, "film", drops or DropLog())
    return {item.item_id: item for item in data.items}


def test_titles_years_and_genres_are_those_that_people_use(tmp_path: Path) -> None:
    write_dat(tmp_path, LOG)
    with (tmp_path / "movies.dat").open("a", encoding="latin-1") as films:
        films.write("9::Mépris du vent, Le (Contempt of the Wind) (1963)::Film-Noir|Sci-Fi\n")
        films.write("10::Untold (1990)::(no genres listed)\n")
    items = read_items(tmp_path)
    assert items["film-9"].title == "Le Mépris du vent"
    assert items["film-9"].attributes == {"genre": ["film noir", "science fiction"], "year": "1963"}
    assert items["film-10"].attributes == {"year": "1990"}


def test_the_content_file_adds_people_and_plot_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    write_dat(tmp_path, LOG)
    content = tmp_path / "content.csv"
    content.write_text(CONTENT, encoding="utf-8")
    items = read_items(tmp_path, content)
    assert items["film-3"].attributes["director"] == ["Ada Fenwick", "J. R. Ostrander"]
    assert items["film-3"].attributes["actors"] == ["A One", "B Two", "C Three"]
    assert items["film-3"].summary == "A plot, with a comma."
    assert items["film-2"].attributes.keys() == {"genre", "year"}
    assert items["film-2"].summary is None


def test_a_tag_counts_when_two_users_gave_it(tmp_path: Path) -> None:
    write_csv(tmp_path, LOG)
    tags = "userId,movieId,tag,timestamp\n1,3,lanterns,1\n2,3,Lanterns,2\n1,3,my opinion,3\n1,3,my opinion,4\n"
    (tmp_path / "tags.csv").write_text(tags, encoding="utf-8")
    assert read_items(tmp_path)["film-3"].attributes["tags"] == ["lanterns"]


def test_the_flags_of_the_first_100k_become_genres(tmp_path: Path) -> None:
    write_first_100k(tmp_path, LOG)
    assert read_items(tmp_path)["film-3"].attributes == {"genre": ["comedy", "science fiction"], "year": "1995"}


def test_half_stars_are_on_the_scale_of_latest_but_not_on_that_of_1m(tmp_path: Path) -> None:
    write_dat(tmp_path, LOG)
    with (tmp_path / "ratings.dat").open("a") as ratings:
        ratings.write("1::4::0.5::978300002\n1::4::five::978300002\n1::4::5::9e99\nbroken\n")
    drops = DropLog()
    data = read_movielens(MovieLensSource(adapter="movielens", path=tmp_path), tmp_path, None, "film", drops)
    rows = collect_rows(data, tmp_path, drops, scale=data.scale)
    assert rows[0].event.user.rating_scale.minimum == 1
    assert count_drops(drops) == {"bad line": 4}
    assert [place.split(":")[0] for drop in drops for place in drop.places][:2] == [
        "ratings.dat, line 3",
        "ratings.dat, line 4",
    ]
    wide = MovieLensSource(adapter="movielens", path=tmp_path, rating_scale=(0.5, 5))
    drops = DropLog()
    collect_rows(read_movielens(wide, tmp_path, None, "film", drops), tmp_path, drops)
    assert count_drops(drops) == {"bad line": 3}


def test_ratings_of_films_without_a_title_are_counted(tmp_path: Path) -> None:
    write_dat(tmp_path, [*LOG, Entry("1", "77", 5, 978_300_005)])
    drops = DropLog()
    data = read_movielens(MovieLensSource(adapter="movielens", path=tmp_path), tmp_path, None, "film", drops)
    assert len(collect_rows(data, tmp_path, drops)) == 2
    assert count_drops(drops) == {"interaction with an item that has no title": 1}


def test_a_folder_of_something_else_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected a MovieLens folder: ratings\.dat"):
        read_items(tmp_path)
    (tmp_path / "ratings.dat").write_text("1::1::5::978300760\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"movies\.dat is missing"):
        read_items(tmp_path)
    (tmp_path / "movies.dat").write_text("1|A|Drama\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"movies\.dat: .* expected lines such as MovieID::Title::Genres"):
        read_items(tmp_path)
