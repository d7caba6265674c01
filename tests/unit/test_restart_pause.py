"""How long the supervisor waits before it starts a door again."""

from ops.commands.run import LONGEST_PAUSE, pause_before_restart


def test_door_that_has_served_is_restarted_at_once() -> None:
    assert pause_before_restart(last=8.0, lived=30.0) == 0.0


def test_door_that_ends_at_once_is_restarted_after_longer_and_longer_pauses() -> None:
    pauses = [0.0]
    for _ in range(7):
        pauses.append(pause_before_restart(last=pauses[-1], lived=1.0))
    assert pauses[1:] == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_PAUSE, LONGEST_PAUSE]
