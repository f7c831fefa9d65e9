import io

from edge.verify.progress import EVERY, SILENCE, shown_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream, *steps):
    """What was said while these moments [s] and shares passed."""
    now = [0.0]
    with shown_progress("Replaying", lambda: now[0], stream) as show:
        for now[0], share in steps:
            show(share)
    return stream.getvalue()


def test_what_takes_no_longer_than_two_seconds_is_not_spoken_of():
    assert SILENCE == 2
    assert shown(io.StringIO(), (0.1, 0.1), (1.9, 1.0)) == ""
    assert "Replaying" not in shown(Terminal(), (0.1, 0.1), (1.9, 1.0))


def test_without_a_terminal_a_line_at_times():
    said = shown(io.StringIO(), (2.1, 0.25), (2.2, 0.26), (2.1 + EVERY, 0.5))
    assert said == "Replaying: 25%\nReplaying: 50%\n"
    assert shown(io.StringIO(), (3.0, 0.0)) == "Replaying ...\n"


def test_on_a_terminal_a_bar():
    assert "Replaying" in shown(Terminal(), (0.1, 0.1), (2.5, 0.5))
