from datetime import timedelta
from pathlib import Path

import pytest

from contracts.clock import utc_now
from edge.certificate import RENEW, VALID, CertificateError, given, own


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    beside = tmp_path / "cam.sqlite"
    made = own(beside, "town/cam", utc_now)
    assert own(beside, "town/cam", utc_now) == made
    assert given(made.certificate, made.key) == made
    assert len(made.fingerprint) == 64
    assert made.key.stat().st_mode & 0o077 == 0


def test_it_is_made_anew_before_it_is_over(tmp_path: Path) -> None:
    beside, start = tmp_path / "cam.sqlite", utc_now()
    made = own(beside, "town/cam", lambda: start)

    def after(time: timedelta) -> int:
        return start + round(time.total_seconds() * 1e6)

    assert own(beside, "town/cam", lambda: after(VALID - RENEW - timedelta(days=1))) == made
    later = own(beside, "town/cam", lambda: after(VALID - RENEW + timedelta(days=1)))
    assert later.fingerprint != made.fingerprint


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    none = tmp_path / "none.pem"
    none.write_text("nothing")
    for file in (none, tmp_path / "absent.pem"):
        with pytest.raises(CertificateError, match=r"pictures.certificate"):
            given(file, none)
