"""A secret that is planted is found, in a file and in a commit that took it out again."""

import secrets
import string
import subprocess
from pathlib import Path

import pytest

from tests.supply_chain import secret_scan
from tests.supply_chain.secret_patterns import found_in, is_random
from tests.supply_chain.verdicts import Verdict

pytestmark = pytest.mark.security


def random_text(count: int, characters: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(characters) for _ in range(count))


# Put together here, so that this file holds none of them.
PLANTED = {
    "private key": lambda: "-----BEGIN RSA " + "PRIVATE KEY-----",
    "AWS": lambda: "AKIA" + random_text(16, string.ascii_uppercase),
    "GitHub": lambda: "ghp_" + random_text(36),
    "GitLab": lambda: "glpat-" + random_text(20),
    "Slack": lambda: "xoxb-" + random_text(24),
    "Google": lambda: "AIza" + random_text(35),
    "Anthropic": lambda: "sk-ant-" + random_text(40),
    "OpenAI": lambda: "sk-proj-" + random_text(40),
    "ElevenLabs": lambda: "sk_" + random_text(48, "0123456789abcdef"),
    "Stripe": lambda: "sk_live_" + random_text(24),
    "Standard Webhooks": lambda: "whsec_" + random_text(32),
    "Telegram": lambda: "1234567890:" + random_text(35),
    "JSON Web Token": lambda: f"eyJ{random_text(20)}.eyJ{random_text(20)}.{random_text(40)}",
    "Cursor": lambda: "key_" + random_text(64, "0123456789abcdef"),
    "personal token of ours": lambda: "pq_" + random_text(43),
    "password in an address": lambda: f"postgres://name:{random_text(16)}@db.example.org/x",
}


@pytest.mark.parametrize("rule", PLANTED)
class TestForms:
    def test_planted_one_is_found(self, rule: str) -> None:
        """A-53"""
        assert rule in {found for found, _ in found_in(f"words before {PLANTED[rule]()} words after")}

    def test_planted_one_fails_the_check_of_the_tree(self, rule: str, tmp_path: Path) -> None:
        """A-53, A-87: without git, as in an unpacked archive, too."""
        planted = PLANTED[rule]()
        (tmp_path / "notes.txt").write_text(f"first line\n{planted}\n")
        result = secret_scan.check_tree(tmp_path)
        assert result.verdict is Verdict.FAILED
        assert result.faults[0].startswith("notes.txt:2: ")
        assert planted not in str(result)


class TestNames:
    @pytest.mark.parametrize(
        "line",
        [
            'SECRET_KEY = "{}"',
            '"api_key": "{}",',
            "password='{}'",
            'token: str = "{}"',
            "export DB_PASSWORD={}",
            "JWT_SIGNING_KEY={}",
        ],
    )
    def test_random_value_of_a_secret_name_is_found(self, line: str) -> None:
        """A-53"""
        assert list(found_in(line.format(random_text(40))))

    @pytest.mark.parametrize(
        "line",
        [
            "SECRET_KEY = env.secret('SECRET_KEY')",
            'token_type = "refresh"',
            'PASSWORD_HASHER = "django.contrib.auth.hashers.Argon2PasswordHasher"',
            "SECRET_KEY=${SECRET_KEY:?set}",
            'secret = "replace-me-with-random-bytes"',
            "DATABASE_URL=postgres://personalq:${PASSWORD}@postgres/x",
        ],
    )
    def test_name_of_something_is_no_secret(self, line: str) -> None:
        assert list(found_in(line)) == []

    def test_what_somebody_thought_of_is_not_random(self) -> None:
        assert is_random(random_text(40))
        assert not is_random("a" * 40)


class Clone:
    """A small repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        name = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "protocol.file.allow=always"]
        subprocess.run(["git", *name, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self, message: str, **files: str) -> None:
        for file, text in files.items():
            (self.root / file).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "clone").mkdir()
    return Clone(tmp_path / "clone")


class TestHistory:
    def test_secret_that_was_taken_out_again_is_found(self, clone: Clone) -> None:
        """A-53"""
        clone.commit("Begin", notes="nothing\n")
        clone.commit("Plant", notes=f"nothing\n{PLANTED['GitHub']()}\n")
        clone.commit("Take it out", notes="nothing\n")
        assert secret_scan.check_tree(clone.root).verdict is Verdict.OK
        result = secret_scan.check_history(clone.root)
        assert result.verdict is Verdict.FAILED
        assert result.faults[0].split()[1:] == ["notes:", "GitHub", result.faults[0].split()[-1]]

    def test_secret_in_a_message_is_found(self, clone: Clone) -> None:
        clone.commit(f"Use {PLANTED['Anthropic']()}")
        assert "(message)" in secret_scan.check_history(clone.root).faults[0]

    def test_secret_that_came_with_a_merge_is_found(self, clone: Clone) -> None:
        clone.commit("Begin", notes="nothing\n")
        clone.git("checkout", "--quiet", "-b", "side")
        clone.commit("Beside", other="nothing\n")
        clone.git("checkout", "--quiet", "-")
        clone.git("merge", "--quiet", "--no-ff", "--no-commit", "side")
        clone.commit("Merge", notes=f"{PLANTED['GitHub']()}\n")
        clone.commit("Take it out", notes="nothing\n")
        assert secret_scan.check_history(clone.root).verdict is Verdict.FAILED

    def test_clean_history_is_fine(self, clone: Clone) -> None:
        clone.commit("Begin", notes="nothing\n")
        assert secret_scan.check_history(clone.root).verdict is Verdict.OK

    def test_shallow_clone_is_said_to_be_one(self, clone: Clone, tmp_path: Path) -> None:
        clone.commit("Plant", notes=f"{PLANTED['GitHub']()}\n")
        clone.commit("Take it out", notes="nothing\n")
        shallow = tmp_path / "shallow"
        clone.git("clone", "--quiet", "--depth", "1", f"file://{clone.root}", str(shallow))
        result = secret_scan.check_history(shallow)
        assert result.verdict is Verdict.NOT_CHECKED
        assert "no whole clone" in result.sentence

    def test_tree_without_git_is_said_to_have_no_history(self, tmp_path: Path) -> None:
        assert secret_scan.check_history(tmp_path).verdict is Verdict.NOT_CHECKED


class TestOurs:
    def test_files_that_git_ignores_are_not_looked_at(self, clone: Clone) -> None:
        clone.commit("Begin", **{".gitignore": ".env\n"})
        (clone.root / ".env").write_text(f"SECRET_KEY={random_text(50)}\n")
        assert secret_scan.files_of(clone.root) == [".gitignore"]

    def test_file_that_is_not_committed_yet_is_looked_at(self, clone: Clone) -> None:
        (clone.root / "new").write_text(PLANTED["GitHub"]())
        assert secret_scan.check_tree(clone.root).verdict is Verdict.FAILED

    def test_each_explanation_is_about_single_values(self) -> None:
        for one in secret_scan.explanations():
            assert len(one.why) > 20
            assert one.digests
            assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in one.digests)

    def test_no_value_is_explained_twice(self) -> None:
        digests = [digest for one in secret_scan.explanations() for digest in one.digests]
        assert len(digests) == len(set(digests))
