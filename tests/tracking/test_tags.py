from study.spec.study_spec import StudySpec
from study.tracking.tags import spec_of, spec_tags


def test_a_spec_survives_the_tags_of_mlflow():
    table = {"name": "a", "dataset": "digits", "families": ["dann-r"], "space": {"somata": [8, 16]}}
    spec = StudySpec.from_dict(table)
    tags = spec_tags(spec)
    assert max(map(len, tags.values())) < 8000
    assert spec_of(tags) == spec
