"""A departments.toml with one department, and the clocks by which an edited one is noticed."""

GOOD = """\
[kirurgi]
name = "Kirurgisk poliklinikk"
extension = "1000"
hospital_number = "+4768050001"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
"""


class Time:
    """Both clocks of an edited file, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
