"""What was done with the callbacks of a suspected flood."""

from typing import Self

from pydantic import BaseModel, Field

from desk.callbacks.floods import FloodCleared


class FloodOut(BaseModel):
    changed: int = Field(description="How many were closed, or kept.")
    left: int = Field(description="How many marked ones still wait.")

    @classmethod
    def of(cls, cleared: FloodCleared) -> Self:
        return cls(changed=cleared.changed, left=cleared.left)
