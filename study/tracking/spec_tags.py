"""The spec of a study as tags of its parent run, and back.

MLflow cuts tags off at 8,000 characters, and claims may be many, so each has a tag of its own.
"""

import json
from collections.abc import Mapping

from study.spec.study_spec import StudySpec
from study.tracking.tags import CLAIMS_TAG, SPEC_TAG


def spec_tags(spec: StudySpec) -> dict[str, str]:
    """The tags that hold a spec."""
    table = spec.to_dict()
    claims = table.pop("claims")
    tags = {SPEC_TAG: json.dumps(table), CLAIMS_TAG: str(len(claims))}
    return tags | {_tag(place): json.dumps(claim) for place, claim in enumerate(claims)}


def spec_of(tags: Mapping[str, str]) -> StudySpec:
    """The spec that tags hold.

    Raises KeyError or ValueError for tags that were not written so, SpecError for those of no spec.
    """
    table = json.loads(tags[SPEC_TAG])
    if CLAIMS_TAG in tags:
        # Of more claims before some tags may be left.
        count = int(tags[CLAIMS_TAG])
        table["claims"] = [json.loads(tags[_tag(place)]) for place in range(count)]
    return StudySpec.from_dict(table)


def _tag(place: int) -> str:
    return f"{CLAIMS_TAG}.{place}"
