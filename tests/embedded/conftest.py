from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.running import Home, clear_away


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    """Makes installations below this test's directory, and clears them away."""
    homes: list[Home] = []

    def make(name: str) -> Home:
        home = Home(tmp_path / name)
        home.directory.mkdir()
        homes.append(home)
        return home

    yield make
    for home in homes:
        clear_away(home)


@pytest.fixture
def home(make_home: Callable[[str], Home]) -> Home:
    """One installation that nobody has started yet."""
    return make_home("h")


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One installation that the tests of a file start again and again, as people do."""
    home = Home(tmp_path_factory.mktemp("lived-in"))
    yield home
    clear_away(home)
