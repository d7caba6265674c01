"""The figures. Durations are in whole minutes: the upper bound of the group that the median or percentile is in."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from desk.statistics.figures import Figures, SeriesStep
from desk.statistics.tables import tables_of

Record = dict[str, str | int | float | None]


class StatisticsOut(BaseModel):
    """Tables of figures. Each row has its columns by name; docs/figures.md says what they count."""

    model_config = ConfigDict(validate_by_name=True)

    from_: Annotated[date, Field(alias="from")]
    to: date
    bucket: SeriesStep
    departments: list[str]
    overview: list[Record] = Field(description="By department, and `all` of them if there are several.")
    series: list[Record] = Field(description="By the first day of each `bucket`.")
    hours: list[Record] = Field(description="By weekday (0 is Monday) and hour in Oslo.")
    incomplete: list[Record]
    attempts: list[Record]
    reached: list[Record]
    topics: list[Record]
    priorities: list[Record]
    languages: list[Record]
    prompts: list[Record] = Field(
        description="`again_percent` is the uncertainty index: the share of calls past the welcome that were followed "
        "by another from the same number within ten minutes."
    )
    mondays: list[Record] = Field(description="Callbacks that waited at 08:00, and by when all had been called.")
    promised: list[Record]
    closed: list[Record]
    sms: list[Record]

    @classmethod
    def of(cls, figures: Figures) -> Self:
        tables = {table.name: table.as_records() for table in tables_of(figures)}
        return cls.model_validate(
            {
                **tables,
                "from": figures.first,
                "to": figures.last,
                "bucket": figures.step,
                "departments": list(figures.departments),
            }
        )
