import json

from made_measurements import SHORT

from study.spec.study_spec import StudySpec
from study.tracking.tags import SPEC_TAG, spec_of, spec_tags

CLAIM = {"kind": "accuracy", "family": "vann", "published": 0.89, "source": "x" * 400}


def spec_with(claims):
    return StudySpec.from_dict(SHORT | {"claims": [CLAIM] * claims})


def test_many_claims_fit_the_tags_of_mlflow():
    tags = spec_tags(spec_with(100))
    assert max(map(len, tags.values())) < 8000
    assert spec_of(tags) == spec_with(100)


def test_tags_of_earlier_claims_that_are_left_do_not_count():
    assert spec_of(spec_tags(spec_with(3)) | spec_tags(spec_with(1))) == spec_with(1)
    assert spec_of(spec_tags(spec_with(3)) | spec_tags(spec_with(0))) == spec_with(0)


def test_a_spec_that_was_stored_before_there_were_claims_is_read():
    table = spec_with(0).to_dict()
    del table["claims"]
    assert spec_of({SPEC_TAG: json.dumps(table)}) == spec_with(0)
