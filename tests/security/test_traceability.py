"""Each line of the list is answered, and what is said to prove it exists."""

from pathlib import Path

import pytest

from tests.security import document, traceability
from tests.security.traceability import Answer, answers, has_command, has_passage, has_test, statements

pytestmark = pytest.mark.security


def test_every_line_has_its_answer_and_no_answer_is_about_something_else() -> None:
    """A-228: add the proof to tests/security/traceability.toml."""
    assert sorted(set(statements()) ^ set(answers())) == []


def test_every_proof_exists() -> None:
    """A-231."""
    faults = {name: found for name, answer in answers().items() if (found := answer.faults())}
    assert faults == {}


def test_each_line_is_a_short_sentence() -> None:
    assert [name for name, says in statements().items() if not 10 <= len(says) <= 160 or "|" in says] == []


def test_the_document_is_what_the_table_says() -> None:
    """A-242: otherwise `.venv/bin/python -m tests.security --write`."""
    assert document.PLACE.read_text(encoding="utf-8") == document.document()


def test_counts_are_of_everything() -> None:
    told = traceability.counts()
    assert told["all"] == sum(told[kind] for kind in traceability.KINDS)


HERE = "tests/security/test_traceability.py"


@pytest.mark.parametrize(
    "proof",
    [HERE, f"{HERE}::TestFaults", f"{HERE}::TestFaults::test_are_told", f"{HERE}::test_every_proof_exists"],
)
def test_tests_are_found(proof: str) -> None:
    assert has_test(proof)


@pytest.mark.parametrize(
    "proof",
    [
        "tests/security/test_nothing.py",
        "tests/security/traceability.py",
        "tests/security/__init__.py",
        "personalq/settings.py",
        f"{HERE}::test_nothing",
        f"{HERE}::HERE",
        f"{HERE}::TestFaults::test_nothing",
        f"{HERE}::test_every_proof_exists::test_are_told",
        "",
    ],
)
def test_what_pytest_would_not_run_is_no_test(proof: str) -> None:
    assert not has_test(proof)


def test_commands_and_passages_are_found_and_others_are_not() -> None:
    assert [has_command(proof) for proof in ("make test", "manage.py ensure_first_operator")] == [True, True]
    assert [has_command(proof) for proof in ("make nothing", "manage.py nothing", "test", "rm x")] == [False] * 4
    assert [has_passage(proof) for proof in ("SECURITY.md", "SECURITY.md#Reporting")] == [True, True]
    assert [has_passage(proof) for proof in ("NOTHING.md", "SECURITY.md#Nothing", "SECURITY.md#Report")] == [False] * 3


class TestFaults:
    @pytest.mark.parametrize(
        "answer",
        [
            Answer(kind="test", by=("tests/nothing.py",)),
            Answer(kind="test", by=(HERE, HERE)),
            Answer(kind="test"),
            Answer(kind="command", by=("make nothing",)),
            Answer(kind="inspection", by=("SECURITY.md#Nothing",)),
            Answer(kind="not_applicable"),
            Answer(kind="not_applicable", by=(HERE,), why="because"),
            Answer(kind="hope", by=(HERE,)),
        ],
        ids=str,
    )
    def test_are_told(self, answer: Answer) -> None:
        assert answer.faults()

    def test_are_none_where_the_proof_exists(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("# Title\n")
        assert Answer(kind="inspection", by=("README.md#Title",)).faults(tmp_path) == []
        assert Answer(kind="not_applicable", why="There is none.").faults() == []
