"""What every table of a spec keeps to: no unknown keys, no changes, no infinite numbers."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a spec."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
