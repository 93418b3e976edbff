"""Pure parts of the command line: back-off, log lines, secrets, ports, settings and their sources."""

import json
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli.backoff import LONGEST_S, STEADY_S, deaths_in_a_row, restart_delay
from services.cli.child import Place
from services.cli.commands.config import MASK, config, is_secret, rows
from services.cli.context import load_settings
from services.cli.loglines import LONGEST, worth_showing
from services.cli.places import DOORS, HOPS, RECEIVER_PORT, mesh_places, moved_receiver, own_addresses
from services.cli.ports import Ports
from services.cli.running import SMALL_PARTITIONS, small_machine
from services.cli.secrets import FILE, demo_secrets, environment_of, read_secrets, references


@pytest.mark.parametrize(
    ("deaths", "seconds"), [(0, 0), (1, 0), (2, 0.5), (3, 1), (4, 2), (5, 4), (6, 8), (7, 10), (50, 10)]
)
def test_back_off_begins_at_once_and_ends_at_ten_seconds(deaths: int, seconds: float) -> None:
    """The first restart costs nothing, the later ones double up to ten seconds."""
    assert restart_delay(deaths) == seconds <= LONGEST_S


def test_a_steady_run_forgets_earlier_deaths() -> None:
    """A process that ran for a while is started at once again."""
    assert deaths_in_a_row(5, STEADY_S) == 1
    assert deaths_in_a_row(5, STEADY_S - 1) == 6


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"level": "warning", "event": "lag", "task": "3", "other": 1}', "warning: lag task=3"),
        (b'{"level": "ERROR", "message": "ends"}', "error: ends"),
        (b'{"level": "info", "event": "ready"}', None),
        (b"Traceback (most recent call last):", None),
        (b"[1, 2]", None),
        (b"\xff\xfe", None),
    ],
)
def test_only_warnings_and_errors_reach_the_terminal(line: bytes, shown: str | None) -> None:
    """The log keeps everything, the terminal shows what a person may have to act on."""
    assert worth_showing(line) == shown


def test_a_long_line_is_cut() -> None:
    """One line of a log never fills the terminal."""
    assert len(worth_showing(json.dumps({"level": "error", "event": "x" * 5_000}).encode()) or "") == LONGEST


def _demo_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (folder / "partners.toml").write_text('token = "env:VIDARE_TOKEN_A"\n')
    (folder / "agencies.toml").write_text(
        f'url = "http://127.0.0.1:{RECEIVER_PORT}/agencies/x", secret = "env:SECRET_B"\n'
    )
    monkeypatch.setattr(Settings, "partners_file", property(lambda _: folder / "partners.toml"))
    monkeypatch.setattr(Settings, "agencies_file", property(lambda _: folder / "agencies.toml"))
    return Settings(home=folder / "home")


def test_demo_secrets_are_drawn_once_and_kept_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start finds the same tokens; nobody else can read the file."""
    settings = _demo_files(tmp_path, monkeypatch)

    first = demo_secrets(settings, {})
    again = demo_secrets(settings, {})

    assert set(first) == {"VIDARE_TOKEN_A", "SECRET_B"}
    assert first == again == read_secrets(settings.home)
    assert (settings.home / FILE).stat().st_mode & 0o077 == 0


def test_a_secret_of_the_environment_wins_and_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator sets is used as it is and never written to disk."""
    settings = _demo_files(tmp_path, monkeypatch)

    assert set(demo_secrets(settings, {"SECRET_B": "own"})) == {"VIDARE_TOKEN_A"}
    assert "SECRET_B" not in read_secrets(settings.home)


def test_nothing_is_made_up_for_files_of_ones_own(tmp_path: Path) -> None:
    """Who onboards partners and agencies brings their secrets."""
    own = tmp_path / "own.toml"
    own.write_text('token = "env:MISSING"\n')

    assert demo_secrets(Settings(home=tmp_path, partners=own, agencies=own), {}) == {}


def test_only_references_in_quotes_are_secrets() -> None:
    """A word in a comment draws no secret."""
    assert references("a = 'env:ONE' # env:TWO\nb = \"env:THREE\"") == ["ONE", "THREE"]


def test_children_get_the_very_settings_of_their_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments of the supervisor reach the processes by environment, folders as absolute paths."""
    settings = _demo_files(tmp_path, monkeypatch).model_copy(update={"partitions": 3, "kafka": "127.0.0.1:9"})
    made = environment_of(settings)

    assert made["VIDARE_PARTITIONS"] == "3"
    assert made["VIDARE_KAFKA"] == "127.0.0.1:9"
    assert Path(made["VIDARE_HOME"]).is_absolute()
    assert "VIDARE_OTLP" not in made


def test_the_notifier_is_told_where_its_door_and_the_custody_service_really_are(tmp_path: Path) -> None:
    """Links in mails and proofs in referrals lead to this mesh, not to another one that has the usual ports."""
    places = mesh_places(1, lambda wanted: (wanted or 0) + 1000, receiver=False)

    assert own_addresses(Settings(home=tmp_path), places) == {
        "VIDARE_PUBLIC_URL": "http://127.0.0.1:9104",
        "VIDARE_CUSTODY_URL": "http://127.0.0.1:9105",
    }
    known = Settings(home=tmp_path, public_url="https://mesh.example", custody_url="https://mesh.example/proofs")
    assert own_addresses(known, places) == {}


def test_a_moved_receiver_moves_the_demo_agencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the usual port is taken, the processes get a copy of the agencies that names the other one."""
    settings = _demo_files(tmp_path, monkeypatch)
    usual, moved = (Place("receiver", ("x",), port) for port in (RECEIVER_PORT, 31_000))

    assert moved_receiver(settings, [usual]) == {}
    made = moved_receiver(settings, [moved])

    assert "127.0.0.1:31000/agencies/x" in Path(made["VIDARE_AGENCIES"]).read_text()
    assert made["VIDARE_ALLOW_LOOPBACK"] == "on"


def test_a_mesh_has_every_door_once_and_every_hop_as_often_as_asked() -> None:
    """Names are unique, each process has a port of its own, doors ask for their fixed ones."""
    places = mesh_places(3, Ports())
    names = [place.name for place in places]

    assert len(set(names)) == len(names)
    assert len({place.port for place in places}) == len(places)
    assert {f"{name}-door" for name in DOORS} <= set(names)
    assert sum(name.startswith("geolocate-hop") for name in names) == 3
    assert all(any(name.startswith(f"{hop}-hop") for name in names) for hop in HOPS)


def test_config_names_the_source_of_each_value() -> None:
    """Argument before environment before vidare.toml before default; secrets are never printed."""
    settings = Settings(home=Path("/x"), country="NO", group_key="not to be seen")
    environment = {"VIDARE_COUNTRY": "NO", "VIDARE_TOKEN_X": "not to be seen", "VIDARE_CUONTRY": "SE"}
    found = {row.name: row for row in rows(settings, {"home": "/x"}, environment, {"group_key": "k"})}

    assert found["VIDARE_HOME"].source == "argument"
    assert found["VIDARE_COUNTRY"].source == "environment"
    assert found["VIDARE_GROUP_KEY"].source == "vidare.toml"
    assert found["VIDARE_DNS"].source == "default"
    assert found["VIDARE_GROUP_KEY"].value == found["VIDARE_TOKEN_X"].value == MASK
    assert "no process reads" in found["VIDARE_CUONTRY"].source


@pytest.mark.parametrize("name", ["VIDARE_COUNTRY", "country"])
def test_the_file_has_the_names_of_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`VIDARE_COUNTRY` in vidare.toml is what it is in the environment; the short name does too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vidare.toml").write_text(f'{name} = "NO"\n')

    assert load_settings().country == "NO"
    assert config(json=True) == 0
    assert json.loads(capsys.readouterr().out)["VIDARE_COUNTRY"] == {"value": "NO", "source": "vidare.toml"}


@pytest.mark.parametrize("text", ['VIDARE_CUONTRY = "NO"', 'country = "NO"\nVIDARE_COUNTRY = "SE"', "country = ["])
def test_a_mistake_in_the_file_is_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no setting, one given twice and what is no TOML are refused; none is passed over."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vidare.toml").write_text(text + "\n")

    with pytest.raises(Misconfigured, match=r"^vidare\.toml cannot be read: .+$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "secret"),
    [("VIDARE_TOKEN_A", True), ("VIDARE_GROUP_KEY", True), ("VIDARE_KAFKA", False), ("VIDARE_KEYBOARD", False)],
)
def test_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    """A part of the name says so, not a syllable."""
    assert is_secret(name) is secret


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable, never what stood in it."""
    monkeypatch.setenv("VIDARE_COUNTRY", "top-secret")

    with pytest.raises(Misconfigured, match="VIDARE_COUNTRY") as error:
        load_settings()
    assert "top-secret" not in str(error.value)


def test_a_small_machine_has_fewer_partitions_unless_somebody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four tasks on four cores or less; a number that was chosen stays."""
    monkeypatch.setattr("services.cli.running.os.cpu_count", lambda: 2)

    assert small_machine(Settings(), {}).partitions == SMALL_PARTITIONS
    assert small_machine(Settings(), {"VIDARE_PARTITIONS": "12"}).partitions == 12
    assert small_machine(Settings(partitions=6), {}).partitions == 6
    monkeypatch.setattr("services.cli.running.os.cpu_count", lambda: 64)
    assert small_machine(Settings(), {}).partitions == 12
