"""What the documentation shows is run, and must answer what it shows.

A fenced ``console`` block below ``<!-- run -->`` is run; below ``<!-- run with servers -->`` with a
database and a broker of its own. ``$`` begins a command, ``>`` goes on with it; what follows is its
output, where ``...`` stands for anything. A fenced block whose info string names a file after the
language is that file. A document's blocks share one folder and one shell; 8080 and 8081 are
free ports.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- (?P<run>run|run with servers) -->\n)?```(?P<language>\w+) ?(?P<file>[\w.-]+)?\n"
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
END = "=== end of a command ==="
PATIENCE = 240.0  # [s] a document may take


class Example(NamedTuple):
    command: str
    output: str


class Document(NamedTuple):
    examples: list[Example]
    files: dict[str, str]
    servers: bool


def read(path: Path) -> Document:
    found = Document([], {}, servers=False)
    for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
        if block["file"]:
            found.files[block["file"]] = block["text"]
        if block["run"]:
            assert block["language"] == "console", f"{path.name}: only console blocks can be run"
            found.examples.extend(examples(block["text"]))
            found = found._replace(servers=found.servers or "servers" in block["run"])
    return found


def examples(text: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *rest = part.splitlines()
        while rest and rest[0].startswith("> "):
            command += "\n" + rest.pop(0)[2:]
        yield Example(command, "\n".join(rest))


def matches(shown: str, answered: str) -> bool:
    """Whether the output is what the document shows, spaces at line ends aside."""
    pattern = r"[\s\S]*".join(map(re.escape, tidy(shown).split("...")))
    return re.fullmatch(pattern, tidy(answered)) is not None


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


RUN = {path: found for path in DOCUMENTS if (found := read(path)).examples}


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_the_examples_answer_what_is_shown(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    document = RUN[path]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "TERM": "dumb",
    }
    if document.servers:
        environment["TEPNA_DATABASE_URL"] = request.getfixturevalue("database_url")
        environment["TEPNA_MQTT_URL"] = request.getfixturevalue("mqtt_url")
    for name, text in document.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "pilots").symlink_to(ROOT / "pilots")
    if any("street.avi" in example.command for example in document.examples):
        video = request.getfixturevalue("shared_data") / "video" / "highway_320x240.avi"
        (tmp_path / "street.avi").symlink_to(video)
    if any("detector.onnx" in example.command for example in document.examples):
        model = request.getfixturevalue("shared_data") / "models" / "yolox_nano_coco.onnx"
        (tmp_path / "detector.onnx").symlink_to(model)

    answers = shell([example.command for example in document.examples], tmp_path, environment)
    for example, answer in zip(document.examples, answers, strict=True):
        assert matches(example.output, answer), f"$ {example.command}\n{answer}"


def shell(commands: list[str], folder: Path, environment: dict[str, str]) -> list[str]:
    """Output of each command; all run in one shell, and what they started ends with it."""
    script = "set -e; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    script += "".join(f"{command}\necho\necho '{END}'\n" for command in commands)
    ports = {port: free_port() for port in ("8080", "8081")}
    process = subprocess.Popen(  # noqa: S603  # the documentation's own commands
        ["/bin/bash", "-c", re.sub(r"\b808[01]\b", lambda port: ports[port[0]], script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, output
    return output.split(f"\n{END}\n")[:-1]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(
    ("shown", "answered", "same"),
    [
        ("a\nb", "a  \nb\n", True),
        ("a ... c", "a b\nb c", True),
        ("...", "", True),
        ("a", "b", False),
        ("a", "a\nb", False),
        ("", "b", False),
    ],
)
def test_an_answer_is_compared_with_what_is_shown(shown: str, answered: str, same: bool) -> None:
    assert matches(shown, answered) is same
