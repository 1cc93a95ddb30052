import base64
import gzip
import json
import re
from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect
from plotly.offline import get_plotlyjs_version

import study
from study.errors import BadInputError, NotFoundError, StudyError
from study.report.document import PACKED
from study.report.report import FIGURES, write_figure, write_report
from study.report.style import whole_axis
from tests.support.browser import PATIENCE_MS, chromium, keep_picture, visit
from tests.support.stored_study import make_home, trial, write_study

SPEC = {
    "name": "made",
    "dataset": "digits",
    "families": ["dann-r"],
    "space": {"somata": list(range(8, 100, 8)), "synapses": 4},
    "budget": {"epochs": 4},
}
EVIL = "</script><script>alert(1)</script><img src='http://example.org/x.png'>"


class Page(HTMLParser):
    """What a browser would load, run and show of a page."""

    LOADING = ("src", "href", "srcset", "data", "action", "poster", "background")

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.loaded, self.scripts, self.text = [], [], []
        self.tags = []
        self._within = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._within = tag
        self.loaded += [value for name, value in attrs if name in self.LOADING]
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, _):
        self._within = None

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[-1][1] += data
        elif self._within != "style":
            self.text.append(data)

    @property
    def data(self):
        """The figures in the page, by name."""
        return {
            attrs["id"].removeprefix("data-"): json.loads(self.unpacked(attrs["id"]))
            for attrs, _ in self.scripts
            if attrs.get("id", "").startswith("data-")
        }

    def unpacked(self, key):
        """The text of a packed script."""
        (text,) = [
            text
            for attrs, text in self.scripts
            if (attrs.get("type"), attrs.get("id")) == (PACKED, key)
        ]
        return gzip.decompress(base64.b64decode(text)).decode()

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("store"))
    many = [trial(0.5 + 0.03 * number, 8 * (number + 1)) for number in range(12)]
    many += [
        trial(0.4, 8, state="PRUNED", epochs=1),
        trial(0, 8, state="FAIL", epochs=0, reason=EVIL),
    ]
    tags = {
        "study.command": f"study run made.toml --set name='{EVIL}'",
        "study.environment": json.dumps(
            {"versions": {"torch": "2.0"}, "commit": None, "machine": EVIL}
        ),
    }
    write_study(home, SPEC, many, tags=tags, hypervolumes=[0.1, 0.2])
    write_study(home, SPEC | {"name": "new"}, [], status="RUNNING")
    running = [trial(0.5, state="RUNNING", epochs=1), trial(0.0, state="FAIL", epochs=0)]
    running += [trial(0.3, state="PRUNED", epochs=1), trial(0.3, state="INTERRUPTED", epochs=2)]
    write_study(home, SPEC | {"name": "begun"}, running, status="RUNNING")
    single = [trial(0.9, sem=None)]
    write_study(home, SPEC | {"name": "single", "replicates": 1}, single, hypervolumes=[0.4])
    losses = {"objectives": {"val_loss": "minimize", "macs": "minimize"}}
    alone = {"objectives": {"val_accuracy": "maximize"}, "stopping": {"scheduler": "none"}}
    write_study(home, SPEC | {"name": "losses"} | losses, many[:5])
    write_study(home, SPEC | {"name": "alone"} | alone, many[:5])
    return home


def read(name, home, folder):
    file = folder / "deep" / f"{name}.html"
    write_report(name, home=home, file=file)
    return file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_has_all_figures_the_table_the_command_and_the_versions(home, tmp_path):
    page = Page(read("made", home, tmp_path))
    assert list(page.data) == list(FIGURES)
    drawn = [attrs["data-figure"] for tag, attrs in page.tags if attrs.get("class") == "plot"]
    assert drawn == list(FIGURES)
    alternatives = [attrs["aria-label"] for tag, attrs in page.tags if tag == "figure"]
    assert len(alternatives) == len(FIGURES)
    assert all(alternatives)
    headers = [attrs["scope"] for tag, attrs in page.tags if tag == "th"]
    assert (headers.count("col"), headers.count("row")) == (11, 12)
    assert "study run made.toml" in page.words
    assert "torch 2.0" in page.words
    assert '"families": [ "dann-r" ]' in page.words


@pytest.mark.slow
def test_each_figure_is_one_of_plotly_in_python(home, tmp_path):
    page = Page(read("made", home, tmp_path))
    assert [key for key in FIGURES if key not in study.figures.__all__] == []
    for key in FIGURES:
        figure = getattr(study.figures, key)("made", home=home.folder, tracking_uri=home.database)
        assert json.loads(figure.to_json())["data"] == page.data[key]["data"]
        assert figure.layout.title.text.startswith("made: ")
    with pytest.raises(BadInputError, match="the study 'new' has no figure 'front': No trial is"):
        study.figures.front("new", home=home)
    with pytest.raises(TypeError, match=r"front\(\) has no parameter 'hom'; did you mean 'home'"):
        study.figures.front("new", hom=home)


@pytest.mark.slow
def test_the_page_needs_nothing_from_elsewhere(home, tmp_path):
    text = read("made", home, tmp_path)
    page = Page(text)
    assert page.loaded
    assert all(target.startswith("#") for target in page.loaded)
    assert [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "base")] == []
    (style,) = re.findall(r"(?s)<style>(.*?)</style>", text)
    assert "@import" not in style
    assert "url(" not in style
    own = page.scripts[-1][1]
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(", own)
    # And the browser is told to refuse what plotly may know of.
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert page.unpacked("plotly").count("plotly.js (basic") == 1


def test_the_page_is_small_and_its_plotly_draws_what_plotly_here_makes(home, tmp_path):
    text = read("made", home, tmp_path)
    assert len(text.encode()) < 700_000
    page = Page(text)
    (version,) = re.findall(r"plotly\.js \(basic - minified\) v([\d.]+)", page.unpacked("plotly"))
    assert version.split(".")[0] == get_plotlyjs_version().split(".")[0]
    kinds = {trace["type"] for figure in page.data.values() for trace in figure["data"]}
    assert kinds == {"scatter", "bar"}


def test_axes_of_epochs_and_trials_have_whole_numbers(home, tmp_path):
    layouts = {key: one["layout"] for key, one in Page(read("made", home, tmp_path)).data.items()}
    for key in ("curves", "stopping", "hypervolume"):
        assert layouts[key]["xaxis"]["dtick"] == 1
    steps = [whole_axis("epoch", most)["dtick"] for most in (10, 15, 99, 100, 101, 1500, 9999)]
    assert steps == [1, 2, 10, 10, 20, 200, 1000]


def test_several_studies_are_compared_on_one_page(home, tmp_path):
    file = tmp_path / "both.html"
    write_report(["made", "single", "begun", "made"], home=home, file=file)
    page = Page(file.read_text(encoding="utf-8"))
    assert list(page.data) == ["front", "hypervolume"]
    shown = [one["name"] for one in page.data["front"]["data"] if one["showlegend"]]
    assert shown == ["made", "single"]
    assert [one["name"] for one in page.data["hypervolume"]["data"]] == ["made", "single"]
    assert "made, single and begun" in page.words
    assert "The best validation accuracy is 90.00 %, in single." in page.words
    rows = [attrs for tag, attrs in page.tags if tag == "th" and attrs["scope"] == "row"]
    assert len(rows) == 3 + 2  # studies, and the joint front


def test_studies_with_other_objectives_have_no_joint_front_and_the_page_says_why(home, tmp_path):
    file = tmp_path / "both.html"
    write_report(["made", "losses"], home=home, file=file)
    page = Page(file.read_text(encoding="utf-8"))
    assert list(page.data) == ["front"]
    assert "the objectives differ, so hypervolumes are not comparable" in page.words
    assert "There is no joint front." in page.words


def test_what_comes_from_the_store_is_shown_and_never_run(home, tmp_path):
    text = read("made", home, tmp_path)
    assert "<script>alert" not in text
    assert "<img" not in text
    words = Page(text).words
    assert words.count(EVIL) == 3  # the command, the machine, the reason of the failure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "missing", "sentence"),
    [
        ("new", set(FIGURES), "No trial has started yet."),
        (
            "begun",
            set(FIGURES) - {"stopping"},
            "No complete trial satisfies the constraints yet.",
        ),
        ("single", {"settings", "importance"}, "The front has 1 trial."),
        ("losses", {"hypervolume", "importance"}, "Best in validation loss is trial 4"),
        ("alone", {"hypervolume", "importance", "stopping"}, "No trial was stopped early"),
    ],
)
def test_where_there_is_nothing_to_draw_a_sentence_says_so(name, missing, sentence, home, tmp_path):
    page = Page(read(name, home, tmp_path))
    assert set(FIGURES) - set(page.data) == missing
    assert sentence in page.words
    assert "was not recorded" in page.words


def test_a_figure_that_is_not_there_is_refused(home, tmp_path):
    file = tmp_path / "x.png"
    with pytest.raises(BadInputError, match="unknown figure 'frnt'; did you mean 'front'"):
        write_figure("made", home=home, file=file, key="frnt")
    with pytest.raises(BadInputError, match="has no figure 'front': No trial is complete yet"):
        write_figure("new", home=home, file=file)
    with pytest.raises(NotFoundError, match="no study 'other'"):
        write_report("other", home=home, file=tmp_path / "x.html")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_without_a_browser_is_refused_in_one_line(home, tmp_path, monkeypatch):
    for name in ("BROWSER_PATH", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match=r"^a PNG needs kaleido .* and Chrome or Chromium: .+$"):
        write_figure("made", home=home, file=tmp_path / "x.png")


@pytest.mark.slow
def test_reports_fit_a_phone(home, tmp_path):
    with chromium() as browser, visit(browser, width=390, height=844) as (context, refused):
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108  # takes no builtin
        for names in (["made"], ["made", "single"]):
            file = tmp_path / "report.html"
            write_report(names, home=home, file=file)
            page.set_content(file.read_text(encoding="utf-8"))
            expect(page.locator(".plot:not(:has(svg.main-svg))")).to_have_count(
                0, timeout=PATIENCE_MS
            )
            # Nothing is cut off: a row of a table is a card.
            for part in ("html", "#table .scroll"):
                over = page.locator(part).evaluate("one => one.scrollWidth - one.clientWidth")
                assert over <= 0
            card = page.locator("#table tbody tr").first
            tops = card.locator("th, td").evaluate_all("all => all.map(one => one.offsetTop)")
            assert len(set(tops)) > 1
            assert card.locator("td").last.inner_text()
            keep_picture(page, f"report_phone_{len(names)}")
        assert errors == refused == []
