"""Certificates of a camera, made by OpenSSL as an installer would make them."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificates(NamedTuple):
    ca: Path
    server: Path  # certificate and key in one file


def make(folder: Path, name: str) -> Certificates:
    """Make a certification authority, and a certificate for a name as in `subjectAltName`."""
    folder.mkdir()
    key = "ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    authority = "-CA ca.pem -CAkey ca.key -CAcreateserial"
    (folder / "extension").write_text(f"subjectAltName={name}\n")
    for command in (
        f"req -x509 -newkey {key} -keyout ca.key -out ca.pem -subj /CN=test -days 2",
        f"req -newkey {key} -keyout server.key -out server.csr -subj /CN=camera",
        f"x509 -req -in server.csr {authority} -out server.crt -days 2 -extfile extension",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
    both = folder / "server.pem"
    both.write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
    return Certificates(folder / "ca.pem", both)
