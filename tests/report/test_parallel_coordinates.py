from study.report.parallel_coordinates import settings_figure, settings_section
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict(
    {
        "name": "made",
        "dataset": "digits",
        "families": ["vann", "dann-r"],
        "space": {
            "somata": [8, 16],
            "synapses": [4, 8],
            "learning_rate": {"low": 0.001, "high": 0.1},
        },
    }
)
RECORDS = [
    record(0, trial(0.9, 16, family="vann", synapses=None), SPEC, on_front=True),
    record(1, trial(0.8, 8), SPEC),
    record(2, trial(0.7, 8, synapses=8, learning_rate=0.001), SPEC),
    record(3, trial(0.1, 8, state="PRUNED", epochs=1), SPEC),
]


def names(figure):
    return [note.text for note in figure.layout.annotations if note.text.startswith("<b>")]


def test_axes_are_the_settings_that_differ_and_the_objectives():
    assert names(settings_figure(SPEC, RECORDS)) == [
        "<b>family</b>",
        "<b>somata</b>",
        "<b>synapses</b>",
        "<b>learning rate</b>",
        "<b>validation accuracy (%)</b>",
        "<b>trainable parameters of one replicate</b>",
    ]


def test_a_line_is_a_complete_trial_and_broken_where_its_family_has_no_such_setting():
    *behind, front = settings_figure(SPEC, RECORDS).data
    assert front.name == "on the front"
    places = list(front.x)
    # dann-r comes second in the spec; a little beside its place, so that lines part.
    assert abs(places[0] - 0) < 0.05
    assert abs(places[1] - 1) < 0.05
    assert places[2] is None
    assert front.y[2] is None
    assert places[4:] == [1, 1, None]
    assert settings_figure(SPEC, RECORDS).layout.meta == {"points_a_line": len(places)}
    drawn = sum(list(trace.x).count(None) for trace in behind)
    assert drawn == 2  # each line ends with one; the stopped trial has none
    assert [trace.name for trace in behind] == ["third quarter", "best quarter"]


def test_settings_of_training_are_axes_like_the_others():
    patient = record(4, trial(0.6, 8), SPEC)
    patient.training.update(patience=10, noise=0.25, batch_order="by_class")
    found = names(settings_figure(SPEC, [*RECORDS, patient]))
    assert {"<b>patience</b>", "<b>noise</b>", "<b>batch order</b>"} <= set(found)


def test_of_many_trials_some_are_drawn_and_the_page_says_so():
    many = [record(n, trial(0.8, 8 * (1 + n % 2)), SPEC, on_front=n == 5) for n in range(1000)]
    assert (
        "The figure shows 200 of 1,000 trials, the front first."
        in settings_section(SPEC, many).text
    )
    assert settings_section(SPEC, many[:1]).figure is None


def test_trials_that_are_all_alike_have_axes_too():
    alike = [record(n, trial(0.8), SPEC, on_front=True) for n in range(3)]
    assert len(names(settings_figure(SPEC, alike))) == 2


def test_zeros_are_on_the_axis_of_an_objective():
    name = "layer1_dendrites_silent"
    table = SPEC.to_dict() | {"diagnostics": ["activity"], "stopping": {"scheduler": "none"}}
    spec = StudySpec.from_dict(
        table | {"objectives": {"val_accuracy": "maximize", name: "minimize"}, "sampler": "random"}
    )
    shares = [0.0, 0.1, 0.2]
    members = [record(n, trial(0.8), spec, on_front=True) for n in range(3)]
    for member, share in zip(members, shares, strict=True):
        member.diagnostics[name] = share
    places = [value for line in settings_figure(spec, members).data for value in line.x]
    assert all(-0.1 <= value <= 1.1 for value in places if value is not None)
    for member in members:
        member.diagnostics[name] = 0.0
    places = [value for line in settings_figure(spec, members).data for value in line.x]
    assert all(-0.1 <= value <= 1.1 for value in places if value is not None)


def test_a_family_that_the_spec_does_not_have_comes_after_those_it_has():
    stray = record(4, trial(0.6, 8, family="dann-lrf"), SPEC, on_front=True)
    figure = settings_figure(SPEC, [*RECORDS, stray])
    ticks = [note.text for note in figure.layout.annotations]
    assert [text for text in ticks if text in {"vann", "dann-r", "dann-lrf"}] == [
        "vann",
        "dann-r",
        "dann-lrf",
    ]
