"""How far agents reach: the operator's allow-lists of programs, hosts and addresses of models."""

import ipaddress
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted
from personalq.lib.inspections.configuration import LOOPBACK

# Where clouds hand out keys of the machine to whoever asks from it.
METADATA: Final = frozenset({"169.254.169.254", "fd00:ec2::254", "metadata.google.internal", "100.100.100.200"})
INTERPRETERS: Final = frozenset({"sh", "bash", "dash", "zsh", "python", "python3", "perl", "ruby", "node"})


@inspection(
    "allowed.commands",
    "medium",
    looks_at="Whether each program of PERSONALQ_COMMANDS is confined to its own directory.",
    advice='Write the long form with "files": "workspace", and "network": "none" where it can do without one '
    '(docs/operations.md, "Allowing programs").',
)
def commands(_: Scene) -> Result:
    known = settings.PERSONALQ_COMMANDS
    if not known:
        return fine("No programs are allowed.")
    loose = [name for name, each in known.items() if each.files == "all"]
    if loose:
        return bad("medium", f"With all rights of the worker: {name_some(loose)}.", allowed=sorted(known))
    online = [name for name, each in known.items() if each.network == "host"]
    if online:
        return noted(f"Confined, but with the network: {name_some(online)}.", allowed=sorted(known))
    return fine(f"All {len(known)} programs are confined.")


@inspection(
    "allowed.programs",
    "high",
    looks_at="Whether others may change a program of PERSONALQ_COMMANDS, or the directory it lies in.",
    advice="chown the program and its directory to root and chmod go-w.",
)
def programs(_: Scene) -> Result:
    paths = {path for each in settings.PERSONALQ_COMMANDS.values() for path in _parts(each.argv)}
    loose = [str(path) for path in paths if _is_loose(path)]
    if loose:
        return bad("high", f"Others may change {name_some(loose)}.")
    return fine("Nobody else may change the allowed programs.")


def _parts(argv: tuple[str, ...]) -> list[Path]:
    """The program, the file that an interpreter is given, and where they lie."""
    files = [Path(argv[0])]
    files += [Path(word) for word in argv[1:] if word.startswith("/") and files[0].name in INTERPRETERS]
    return [part for file in files for part in (file, file.parent)]


def _is_loose(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    return bool(found.st_mode & 0o022 and not is_sticky) or found.st_uid not in {0, os.geteuid()}


@inspection(
    "allowed.hosts",
    "medium",
    "critical",
    looks_at="Which services inside your networks agents may call. Critical: one that gives out a cloud machine's "
    "keys. Medium: databases and the like by their usual ports.",
    advice="Take out of PERSONALQ_INTERNAL_HOSTS what no agent needs.",
)
def internal_hosts(_: Scene) -> Result:
    targets = settings.PERSONALQ_INTERNAL_HOSTS
    if not targets:
        return fine("Agents reach public addresses only.")
    names = {target: target.rpartition(":")[0].strip("[]") for target in targets}
    deadly = [target for target, host in names.items() if host in METADATA or _is_link_local(host)]
    if deadly:
        return bad("critical", f"Agents may ask for the machine's own keys: {name_some(deadly)}.")
    ours = [target for target in targets if target.rpartition(":")[2] in _PORTS]
    if ours:
        return bad("medium", f"Agents may call what looks like a database or a shell: {name_some(ours)}.")
    return noted(f"Agents may call {name_some(targets)} inside your networks.")


_PORTS: Final = frozenset({"22", "2375", "2376", "3306", "5432", "6379", "9200", "11211", "27017"})


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


@inspection(
    "allowed.models",
    "medium",
    looks_at="Whether keys go to models by plain http over a network.",
    advice="Use https in PERSONALQ_MODEL_BASE_URLS, or a model on this machine.",
)
def models(_: Scene) -> Result:
    plain = [
        url
        for url in settings.PERSONALQ_MODEL_BASE_URLS
        if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in LOOPBACK
    ]
    if plain:
        return bad("medium", f"Keys and prompts go out in clear: {name_some(plain)}.")
    return fine(f"{len(settings.PERSONALQ_MODEL_BASE_URLS)} addresses of models, all by https or on this machine.")
