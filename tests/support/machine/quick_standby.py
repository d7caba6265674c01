"""`innringing standby`, which seals what an earlier standby recorded after 20 seconds, not after two minutes."""

from functools import partial

from innringing import app
from ivr import standby
from ivr.agi import recordings
from ivr.calls.recording_intake import RecordingIntake

if __name__ == "__main__":
    recordings.GRACE -= 55  # type: ignore[misc]
    standby.RecordingIntake = partial(RecordingIntake, sweep_every=2.0)  # type: ignore[assignment,misc]
    app()
