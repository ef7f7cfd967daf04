"""Each secret of a product is unique, is shown in every wrong place, and stands nowhere afterwards but where it has to.

A-87, A-90, A-99, A-100, A-143, A-150, A-197, A-199, A-204, A-206, B-C-3.
"""

import stat
from collections.abc import Iterator

import pytest
import redis

from tests.embedded.running import wait_for
from tests.product.canaries import House, furnished, misplace_all, plant_all
from tests.product.looking import Planted, read_everything
from tests.product.pages import Visitor
from tests.product.traces import dump, everything_in_valkey, listening, logs

pytestmark = [pytest.mark.product, pytest.mark.security]

CONTROL = "canary-that-may-be-seen"
PRIVATE = "what-somebody-asked-in-confidence"
KNOWN = {
    # Told once, at the terminal of whoever starts the product for the first time.
    "logs": ["password of the operator"],
}
LETTER_OF = "code of an invitation"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with furnished(tmp_path_factory.mktemp("canaries")) as found:
        yield found


@pytest.fixture(scope="module")
def places(house: House) -> dict[str, bytes]:
    """Everything that is left anywhere when all secrets were made, used and misplaced."""
    installation = house.installation
    operator = plant_all(house)
    with listening(installation, operator) as (frames, commands):
        plant_control(house)
        task = operator.run("echo", CONTROL, title=CONTROL)["uuid"]
        operator.run("echo", PRIVATE)
        misplace_all(house)
        wait_for(lambda: any(b"task_completed" in frame for frame in list(frames.seen)), "the last frame")
        wait_for(lambda: len(house.smtp.letters) > 1, "the letters of the invitations")
    read_everything(operator)
    with Visitor(house.port, operator.username, operator.password, installation.record) as visitor:
        visitor.walk("/", "/admin/", f"/tasks/{task}")
    return {
        "database": dump(installation),
        "valkey": everything_in_valkey(installation),
        "commands to valkey": b"\n".join(commands.seen),
        "logs": logs(installation),
        "answers and pages": b"\n".join(installation.record.seen),
        "frames": b"\n".join(frames.seen),
        "letters": house.letters,
    }


def plant_control(house: House) -> None:
    """Something that may be seen, in every place: whoever searches has to find it."""
    with redis.Redis.from_url(house.installation.home.layout.redis_url(1)) as client:
        client.set(CONTROL, CONTROL)
    operator = house.installation.operator
    operator.ask("GET", f"/api/v1/{CONTROL}")
    invited = {"email": f"{CONTROL}@post.example.net", "username": ""}
    operator.call("POST", "/tokens", {"name": CONTROL, "scopes": ["tasks:read"]})
    operator.call("POST", "/credentials", {"name": CONTROL, "provider": "openai", "secret": f"sk-{CONTROL}-0123456789"})
    # Its answer holds a link, which nobody notes.
    house.planted.keys["code of another invitation"] = ask_unheard(house, invited).partition("#")[2]


def ask_unheard(house: House, invited: dict[str, str]) -> str:
    operator, record = house.installation.operator, house.installation.record
    before = len(record.seen)
    link: str = operator.call("POST", "/invitations", invited)["link"]
    del record.seen[before:]
    return link


def test_planted_secrets_stand_nowhere(house: House, places: dict[str, bytes]) -> None:
    found = {place: seen for place, text in places.items() if (seen := house.planted.found_in(text))}
    # A letter is how its code comes to the one who is invited.
    assert {LETTER_OF, "code of another invitation"} >= set(found.pop("letters", []))
    assert found == KNOWN


def test_whoever_searches_finds_what_is_there(places: dict[str, bytes]) -> None:
    """The positive control: in each place the search finds what was put there to be found."""
    control = Planted({"control": CONTROL})
    assert [place for place, text in places.items() if not control.found_in(text)] == []


def test_prompt_and_answer_stand_in_the_database_and_in_no_log(places: dict[str, bytes]) -> None:
    """A-197: at the most talkative level as well."""
    prompt = Planted({"prompt": PRIVATE})
    assert {place: bool(prompt.found_in(places[place])) for place in ("database", "logs")} == {
        "database": True,
        "logs": False,
    }


def test_secret_of_every_kind_was_planted(house: House, places: dict[str, bytes]) -> None:
    kinds = {"SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS"}
    assert kinds <= set(house.planted.keys)
    assert len(house.planted.keys) >= 45
    assert all(len(secret) >= 8 for secret in house.planted.keys.values())
    assert places


def test_logs_are_files_of_whoever_runs_the_product_alone(house: House, places: dict[str, bytes]) -> None:
    """A-198, A-205."""
    files = [path for path in house.installation.home.layout.logs.rglob("*") if path.is_file()]
    assert {f"{path.name} {stat.S_IMODE(path.stat().st_mode):o}" for path in files} == {
        f"{path.name} 600" for path in files
    }
    assert places["logs"]
