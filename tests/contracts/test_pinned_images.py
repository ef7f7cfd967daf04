"""Images are built from what is named by digest, and a script writes the digests where they are read."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts import building, reading

pytestmark = pytest.mark.security

DIGEST = "sha256:" + "0123456789abcdef" * 4
BUILT = {"Dockerfile": "PYTHON_IMAGE", "deploy/proxy.Dockerfile": "CADDY_IMAGE"}
# What the real program answers to these two commands, for images that carry the tag's name.
DOCKER = """\
#!/bin/sh
case "$1" in
    pull) echo "$3" ;;
    image) echo "other/name@sha256:bad"; echo "${5%:*}@DIGEST" ;;
esac
"""


@pytest.mark.parametrize(("file", "argument"), BUILT.items())
class TestBase:
    def is_taken(self, file: str, argument: str, image: str) -> bool:
        """Runs the check that stands before everything else in the Dockerfile."""
        first = building.rest_of("RUN", building.dockerfile(file))[0]
        check = re.split(r"\s&&\s", first)[0]
        return subprocess.run(["sh", "-c", check], env={**os.environ, argument: image}, check=False).returncode == 0

    def test_with_a_digest_is_taken(self, file: str, argument: str) -> None:
        assert self.is_taken(file, argument, f"some/image:1-slim@{DIGEST}")
        assert self.is_taken(file, argument, f"registry.example.org:5000/image@{DIGEST}")

    @pytest.mark.parametrize(
        "image", ["", "some/image:1-slim", "some/image:latest", "some/image@sha256:0123", f"some/image@{DIGEST}0"]
    )
    def test_without_one_is_refused(self, file: str, argument: str, image: str) -> None:
        """A-213, B-HIGH-004"""
        assert not self.is_taken(file, argument, image)

    def test_has_no_default(self, file: str, argument: str) -> None:
        assert set(building.rest_of("ARG", building.dockerfile(file))) == {argument}

    def test_image_has_no_secret_in_a_layer(self, file: str, argument: str) -> None:
        """A-213: neither an argument nor a variable of the image, nor a file, is one."""
        given = building.rest_of("ENV", building.dockerfile(file)) + building.rest_of("ARG", building.dockerfile(file))
        assert not [text for text in given if re.search(r"SECRET|KEY|PASSWORD|TOKEN|_URL", text)]
        copied = " ".join(
            building.rest_of("COPY", building.dockerfile(file)) + building.rest_of("ADD", building.dockerfile(file))
        )
        assert not re.search(r"\.env|\bvar\b|\.git|\s\.\s", copied)
        assert argument in given

    def test_image_does_not_run_as_root_and_tells_whether_it_is_healthy(self, file: str, argument: str) -> None:
        (user,) = building.rest_of("USER", building.last_stage(file))
        assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
        assert building.rest_of("HEALTHCHECK", building.last_stage(file))
        assert argument.endswith("_IMAGE")


def test_every_image_of_compose_has_to_be_named() -> None:
    """B-HIGH-004: there is no tag to fall back to."""
    images = {name: service["image"] for name, service in building.services().items() if "build" not in service}
    built = [service["build"]["args"] for service in building.services().values() if "build" in service]
    given = [*images.values(), *(value for arguments in built for value in arguments.values())]
    assert given
    assert not [each for each in given if not re.fullmatch(r"\$\{[A-Z]+_IMAGE:\?run deploy/pin-images\.sh\}", each)]


class TestPinning:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Iterator[Path]:
        docker = tmp_path / "docker"
        docker.write_text(DOCKER.replace("DIGEST", DIGEST))
        docker.chmod(0o755)
        file = tmp_path / "settings"
        file.write_text("SECRET_KEY=kept\n# PYTHON_IMAGE=python\nVALKEY_IMAGE=old@sha256:1\n")
        file.chmod(0o640)
        yield file
        assert sorted(path.name for path in tmp_path.iterdir()) == ["docker", "settings"]

    def pin(self, settings: Path) -> subprocess.CompletedProcess[str]:
        path = f"{settings.parent}:{os.environ['PATH']}"
        command = [reading.REPOSITORY / "deploy" / "pin-images.sh", settings]
        return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)

    def test_writes_each_image_that_compose_asks_for(self, settings: Path) -> None:
        assert self.pin(settings).returncode == 0
        asked = set(re.findall(r"\$\{([A-Z]+_IMAGE):", (reading.REPOSITORY / "compose.yaml").read_text()))
        written = dict(line.split("=", 1) for line in settings.read_text().splitlines())
        assert set(written) == {"SECRET_KEY", *asked}
        assert {value.partition("@")[2] for name, value in written.items() if name in asked} == {DIGEST}

    def test_keeps_everything_else_and_the_mode(self, settings: Path) -> None:
        self.pin(settings)
        assert settings.read_text().startswith("SECRET_KEY=kept\n")
        assert settings.stat().st_mode & 0o777 == 0o640

    def test_writing_again_changes_nothing(self, settings: Path) -> None:
        self.pin(settings)
        before = settings.read_text()
        self.pin(settings)
        assert settings.read_text() == before

    def test_image_without_digest_leaves_the_file_alone(self, settings: Path) -> None:
        (settings.parent / "docker").write_text("#!/bin/sh\necho none\n")
        before = settings.read_text()
        assert self.pin(settings).returncode == 1
        assert settings.read_text() == before
