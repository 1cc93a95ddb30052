"""What people see of a finished study: MLflow's pages and optuna-dashboard's in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from study import Home
from study.results import answers
from tests.support.browser import PATIENCE_MS, chromium, keep_picture, rows, visit

pytestmark = pytest.mark.slow
expect.set_options(timeout=PATIENCE_MS)

ACCURACY = "metrics.`result/val_accuracy`"


@pytest.fixture(scope="module")
def records(small_study):
    return answers.records("small", home=Home.find(small_study.home))


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(browser, ui):
    """What a browser keeps that has opened the link of `study ui`, which it shows no more."""
    with visit(browser) as (context, _):
        page = context.new_page()
        page.goto(f"{ui.next}#/experiments")
        expect(page).to_have_title(
            re.compile("MLflow")
        )  # with the name of the page once it is loaded
        assert page.url == f"{ui.address}/#/experiments"
        # The pages for training models, without the panel that opens by itself.
        expect(page.get_by_text("Model training")).to_be_visible()
        kept = context.storage_state()
        (origin,) = kept["origins"]
        stored = {item["name"]: item["value"] for item in origin["localStorage"]}
        assert stored["mlflow.workflowType_v1"] == '"machine_learning"'
        assert stored.get("mlflow.assistant.panelOpen_v1") != "true"
        return kept


@pytest.fixture
def page(browser, signed_in):
    """An empty page that reaches this machine alone. Nothing that it loads asks for more."""
    with visit(browser, known=signed_in) as (context, refused):
        yield context.new_page()
        assert refused == []


def wait_for(page, shown, expected):
    """Until `shown()` is `expected`; then, or when patience ends, they are compared."""
    for _ in range(PATIENCE_MS // 200):
        if shown() == expected:
            break
        page.wait_for_timeout(200)
    assert shown() == expected


def accuracies(page):
    return [float(row[ACCURACY]) for row in rows(page)]


def test_the_printed_link_lists_every_trial_with_its_metrics(ui, records, page):
    page.goto(ui.link)
    expect(page.locator(".ag-row")).not_to_have_count(0)
    expected = {
        f"{record.trial} {record.label()}": (
            round(record.val_accuracy, 4),
            round(record.test_accuracy, 4),
            record.trainable_parameters,
            record.macs,
            record.epochs,
            str(record.on_front).lower(),
            record.state,
        )
        for record in records
    }
    metrics = ["result/val_accuracy", "result/test_accuracy"]
    metrics += ["trainable_parameters", "macs", "epochs"]

    def shown():
        return {
            row["attributes.`Run Name`"]: (
                *(float(row[f"metrics.`{name}`"]) for name in metrics),
                row["tags.`on_front`"],
                row["tags.`study.state`"],
            )
            for row in rows(page)
        }

    wait_for(page, shown, expected)
    keep_picture(page, "mlflow_runs")


def test_a_click_on_a_column_sorts_by_it(ui, records, page):
    page.goto(ui.link)
    expect(page.locator(".ag-row")).not_to_have_count(0)
    ascending = sorted(round(record.val_accuracy, 4) for record in records)
    wait_for(page, lambda: accuracies(page), ascending[::-1])
    page.get_by_test_id("sort-header-result/val_accuracy").click()
    wait_for(page, lambda: accuracies(page), ascending)
    page.get_by_test_id("sort-header-result/val_accuracy").click()
    wait_for(page, lambda: accuracies(page), ascending[::-1])


def test_the_chart_shows_accuracy_over_parameters_without_a_click(ui, records, page):
    page.goto(f"{ui.link}&compareRunsMode=CHART")
    first = page.get_by_test_id("experiment-view-compare-runs-card").first
    expect(first).to_contain_text("trainable_parameters vs. result/val_accuracy")
    expect(first.locator("path.point")).to_have_count(len(records))
    keep_picture(page, "mlflow_chart")


def test_the_description_shows_the_front(ui, records, page):
    page.goto(ui.link)
    expect(page.locator(".ag-row")).not_to_have_count(0)
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    table = page.locator("table", has_text="validation accuracy %")
    front = [record for record in records if record.on_front]
    expect(table.locator("tbody tr")).to_have_count(len(front))
    for record in front:
        expect(table.get_by_role("row", name=f"{record.trial} {record.label()}")).to_be_visible()
    keep_picture(page, "mlflow_description")


def test_the_report_is_drawn_on_the_page_of_its_artifact(ui, records, page):
    # Listened to from the start, since the page opens in a tab of its own.
    requests, errors, messages = [], [], []
    page.context.on("request", lambda one: requests.append(one))  # noqa: PLW0108  # takes no builtin
    page.context.on("weberror", lambda error: errors.append(error.error))
    page.context.on("console", lambda message: messages.append(message.text))
    page.goto(ui.link)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="report", exact=True).click()
    tab = opened.value
    inside = tab.frame_locator("iframe.mlflow-html-iframe")
    expect(inside.get_by_role("heading", level=1)).to_have_text("small")
    expect(inside.locator("#front .plot svg.main-svg").first).to_be_visible()
    expect(inside.locator(".plot:not(:has(svg.main-svg))")).to_have_count(0)
    front = [record for record in records if record.on_front]
    expect(inside.locator("#table tbody tr")).to_have_count(len(front))
    # The page itself is a blob; it asks for nothing, so its policy has nothing to refuse.
    asked = [request.url for request in requests if request.frame.parent_frame is not None]
    assert [address for address in asked if not address.startswith("blob:")] == []
    assert [text for text in messages if "Content Security Policy" in text] == []
    assert errors == []
    inside.locator("#front").scroll_into_view_if_needed()
    keep_picture(tab, "mlflow_report")


def test_the_networks_of_the_front_are_models(ui, records, page):
    page.goto(ui.link)
    page.get_by_role("link", name="Models", exact=True).click()
    front = [record for record in records if record.on_front]
    for record in front:
        expect(page.get_by_text(f"small-{record.trial}", exact=True)).to_be_visible()
    page.get_by_text(f"small-{front[0].trial}", exact=True).click()
    expect(page.get_by_text(str(front[0].val_accuracy)).first).to_be_visible()
    keep_picture(page, "mlflow_model")


def test_optuna_dashboard_draws_the_front(dashboard, records, page):
    page.goto(dashboard)
    page.get_by_role("heading", name="0. small").click()
    front = page.locator("#graph-pareto-front")
    expect(front.locator("svg.main-svg").first).to_be_visible()

    def points():
        """Of the plot's traces: all, and those of the last, which are the best."""
        counts = front.evaluate("plot => plot.data.map(trace => trace.x ? trace.x.length : 0)")
        return sum(counts), counts[-1]

    wait_for(page, points, (len(records), sum(record.on_front for record in records)))
    for record in records:
        if record.on_front:
            expect(page.get_by_text(f"Trial {record.trial}", exact=True)).to_be_visible()
    keep_picture(page, "optuna_dashboard")
