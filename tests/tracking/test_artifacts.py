"""Where the artifacts of records may be, as far as no server is needed to tell.

`tests/e2e/test_security.py` has the servers.
"""

import pytest

from study.errors import BadInputError
from study.home import Home
from study.tracking.artifacts import check_location, current_location, own_folder

SERVERS = ("http://server:5000", "https://ann:secret@server", "HTTP://server")


@pytest.mark.parametrize("uri", SERVERS)
@pytest.mark.parametrize(
    "location",
    [
        "file:///etc",
        "file:relative",
        "FILE:///etc",
        "fi\tle:///etc",
        " file:///etc",
        "/etc",
        "relative",
        "",
        "runs:/another/artifacts",
        "models:/m-1",
    ],
)
def test_a_server_may_name_no_place_of_this_machine(location, uri):
    home = Home.find("/home", uri)
    with pytest.raises(BadInputError, match="must be on a server, got") as error:
        check_location(location, home)
    assert repr(location) in str(error.value)
    assert "secret" not in str(error.value)
    check_location(location, Home.find("/home", uri, allow_local_artifacts=True))


@pytest.mark.parametrize("location", ["mlflow-artifacts:/1", "s3://bucket/1", "https://server/1"])
def test_a_server_may_name_servers(location):
    check_location(location, Home.find("/home", SERVERS[0]))


def test_a_store_of_the_users_own_may_name_any_place():
    check_location("file:///anywhere", Home.find("/home", "sqlite:////home/mlflow.db"))


@pytest.fixture
def home(tmp_path):
    """A home that is named by a link to its folder, as on machines whose users' folders are links."""
    (tmp_path / "disk" / "home" / "artifacts" / "run").mkdir(parents=True)
    (tmp_path / "disk" / "elsewhere").mkdir()
    (tmp_path / "user").symlink_to(tmp_path / "disk")
    folder = tmp_path / "user" / "home"
    return Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")


@pytest.mark.parametrize("start", ["user", "disk"])
@pytest.mark.parametrize("below", ["", "/run", "/run/artifacts", "/new%20one/artifacts"])
def test_a_folder_within_the_homes_artifacts_is_its_own(start, below, home, tmp_path):
    own = tmp_path / "disk" / "home" / "artifacts"
    location = f"file://{tmp_path}/{start}/home/artifacts{below}"
    assert own_folder(location, home) == own.joinpath(*below.replace("%20", " ").split("/")[1:])


@pytest.mark.parametrize(
    "location",
    [
        "file://{home}",
        "file://{home}/artifacts2/run",
        "file://{home}/artifacts/../mlflow.db",
        "file://{home}/artifacts/run/../../../elsewhere",
        "file://{home}/artifacts/%2e%2e/mlflow.db",
        "file://{home}/artifacts/a%00b",
        "FILE://{home}/artifacts/run",
        "file:artifacts/run",
        "artifacts/run",
        "",
        "{home}/../elsewhere",
        "file:///etc",
        "mlflow-artifacts:/0/run/artifacts",
        "runs:/run",
        "s3://bucket{home}/artifacts/run",
    ],
)
def test_any_other_place_is_refused(location, home):
    location = location.format(home=home.folder)
    with pytest.raises(BadInputError, match="must be within file://") as error:
        own_folder(location, home)
    assert f"got {location}" in str(error.value)


@pytest.mark.parametrize("link", ["artifacts", "artifacts/run", "artifacts/run/artifacts"])
@pytest.mark.parametrize("to", ["elsewhere", "home/artifacts/other"])
def test_a_link_in_its_way_is_refused(link, to, home, tmp_path):
    place = home.folder / link
    if place.exists():
        place.rename(place.with_name("other"))
    place.symlink_to(tmp_path / "disk" / to)
    location = (home.folder / "artifacts" / "run" / "artifacts").as_uri()
    with pytest.raises(BadInputError, match="symbolic link"):
        own_folder(location, home)


@pytest.mark.parametrize("below", ["a1/artifacts", "models/m-1/artifacts"])
def test_artifacts_of_a_moved_or_copied_home_are_its_own(below, home, tmp_path):
    first = tmp_path / "first" / "artifacts" / below
    own = home.folder / "artifacts" / below
    # Of a run that starts after the home was moved there is no folder yet.
    assert current_location(first.as_uri(), home) == own.as_uri()
    first.mkdir(parents=True)
    assert current_location(first.as_uri(), home) == first.as_uri()  # only there
    own.mkdir(parents=True)
    assert current_location(first.as_uri(), home) == own.as_uri()
    assert current_location(own.as_uri(), home) == own.as_uri()


@pytest.mark.parametrize("location", ["file:///etc", "s3://bucket/a1/artifacts"])
def test_a_place_that_is_no_folder_of_a_run_stays_as_it_is(location, home):
    assert current_location(location, home) == location
