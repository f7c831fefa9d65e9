import pytest

from edge.threads import start_thread


def test_the_death_of_a_thread_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Exception] = []
    fault = ValueError("no more")

    def target() -> None:
        raise fault

    start_thread("worker", target, told.append).join(20)
    assert told == [fault]
    assert "worker stopped: no more" in caplog.text


def test_a_thread_that_ends_is_no_failure() -> None:
    told: list[Exception] = []
    start_thread("worker", lambda: None, told.append).join(20)
    assert told == []
