"""The commands against a dashboard that listens: what they show, what they start, how they end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connections

from deployments.models import Service
from ffsweb.accounts import tokens
from ffsweb.accounts.models import AccessToken, Project, Role, User
from ffsweb.commands import completion, showing, uploading
from ffsweb.operations.models import LogLine, Operation
from ffsweb.remote.keys import generate
from ffsweb.rest.models import StoredAnswer
from tests.deployments.push_site import Site

from .conftest import Dashboard, Ffs

WWW = ("node-a", "--name", "www")


def test_lists_are_tables_for_people_and_json_for_programs(ffs: Ffs, site: Site) -> None:
    site.fleet.read(site.row)
    shown = ffs("nodes")
    assert shown.code == 0 and "PROJECT" in shown.out and "node-a" in shown.out and "\x1b" not in shown.out
    assert [row["name"] for row in ffs("nodes", "--json", "--project", "serbest").json] == ["node-a"]
    assert ffs("nodes", "--json", "--project", "nowhere").json == []
    shown = ffs("services")
    assert "www@node-a" in shown.out and "active" in shown.out
    assert ffs("services", "--json", "--node", "node-a").json[0]["live_release"] == 1
    assert "Read node-a" in ffs("operations").out
    assert len(ffs("operations", "--json", "--most", "2").json) == 2


def test_a_deploy_is_followed_to_its_end_and_live_is_0(ffs: Ffs, site: Site, worker: None) -> None:
    site.fleet.read(site.row)
    done = ffs("deploy", *WWW, "--wait", "--yes")
    assert done.code == 0, done
    assert "www@node-a: release 1 → 2" in done.err
    numbers = LogLine.objects.filter(operation__kind="deploy").count()
    assert len(done.out.splitlines()) == numbers + 1
    assert done.out.splitlines()[-1] == "www@node-a: succeeded"
    assert Service.objects.get().live_release == site.second
    back = ffs("rollback", *WWW, "--wait", "--yes", "--json")
    assert back.code == 0, back
    assert back.json["state"] == "succeeded" and Service.objects.get().live_release == site.first


def test_an_archive_and_a_directory_become_a_release_that_is_deployed(
    ffs: Ffs, site: Site, worker: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART", 300_000)
    (tmp_path / "files" / "static").mkdir(parents=True)
    (tmp_path / "files" / "static" / "app.css").write_text("body {}")
    (tmp_path / "files" / ".env").write_text("SECRET=sentinel")
    site.fleet.read(site.row)
    archive, directory = str(tmp_path / "two.tar"), str(tmp_path / "files")
    done = ffs("deploy", *WWW, "--image", archive, "--files", directory, "--wait", "--yes")
    assert done.code == 0, done
    assert "two.tar: " in done.err and "MB/s" in done.err and "Release 3 was made" in done.err
    release = Service.objects.get().live_release
    assert release is not None and release.number == 3 and release.image == site.second.image
    assert release.files is not None
    assert [entry["path"] for entry in release.files.manifest] == ["static/app.css"]


def test_what_is_no_image_is_refused_by_name(ffs: Ffs, worker: None, tmp_path: Path) -> None:
    (tmp_path / "none.tar").write_bytes(b"no archive")
    done = ffs("deploy", *WWW, "--image", str(tmp_path / "none.tar"))
    assert done.code == 1 and "not taken in" in done.err
    (tmp_path / "empty.tar").touch()
    assert "is empty" in ffs("deploy", *WWW, "--image", str(tmp_path / "empty.tar")).err
    assert "no directory" in ffs("deploy", *WWW, "--files", str(tmp_path / "nowhere")).err


def test_rolled_back_is_2(ffs: Ffs, site: Site, worker: None) -> None:
    site.fleet.read(site.row)
    site.node.never_ready.add(2)
    done = ffs("deploy", "192.0.2.1", "--name", "www", "--project", "serbest", "--wait", "--yes")
    assert done.code == 2, done
    assert Service.objects.get().live_release == site.first


@pytest.mark.parametrize(("state", "code"), [("failed", 1), ("unknown", 3), ("cancelled", 1), ("needs_hands", 1)])
def test_how_an_operation_ended_is_the_exit_code(ffs: Ffs, site: Site, state: str, code: int) -> None:
    made = Operation.objects.create(project=site.fleet.project, kind="test", title="A test", state=state)
    assert ffs("logs", "-f", str(made.pk)).code == code


def test_a_log_is_followed_over_a_restart_and_no_line_is_lost_or_doubled(
    ffs: Ffs, site: Site, dashboard: Dashboard
) -> None:
    operation = Operation.objects.create(project=site.fleet.project, kind="test", title="A test", state="running")

    def write(start: int, end: int) -> None:
        LogLine.objects.bulk_create(
            LogLine(operation=operation, number=n, at=operation.created_at, text=f"line {n}")
            for n in range(start, end)
        )

    def life() -> None:
        try:
            write(301, 600)
            dashboard.stop()
            write(600, 900)
            dashboard.start()
            write(900, 1001)
            Operation.objects.filter(pk=operation.pk).update(state="succeeded")
        finally:
            connections.close_all()

    write(1, 301)
    thread = threading.Timer(0.3, life)
    thread.start()
    done = ffs("logs", "-f", "--json", str(operation.pk))
    thread.join()
    assert done.code == 0, done.err
    assert [json.loads(line)["number"] for line in done.out.splitlines()] == list(range(1, 1001))
    assert len(ffs("logs", "--after", "990").out.splitlines()) == 10


def test_a_machine_is_prepared_from_a_dot_env(
    ffs: Ffs, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TOKEN=hunter2-sentinel\nCOLOUR=blue\n")
    (tmp_path / "id.pub").write_text(generate(comment="me")[1])
    asked = ("prepare", "--project", "serbest", "--name", "web", "--node", "node-b", "--operator-key", "id.pub")
    assert "--address" in ffs(*asked).err and not list(tmp_path.glob("ffs.*"))
    done = ffs(*asked, "--address", "192.0.2.2", "--ports", "8443:8443", "--plain", "COLOUR", "--yes")
    assert done.code == 0, done
    assert "coreos-installer" in done.out and "sentinel" not in done.out + done.err
    for name in ("ffs.bu", "ffs.ign"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert "node-b" in (tmp_path / name).read_text()
    settings = {row.name: row.plain for row in site.fleet.project.settings.all()}
    assert settings == {"TOKEN": False, "COLOUR": True}
    assert not StoredAnswer.objects.filter(body__contains="PRIVATE").exists()
    assert ffs(*asked).code == 1  # the files are there
    again = ffs(*asked, "--yes", "--json")
    assert again.code == 0 and "described" not in again.err and again.json["service"] == "web"


def test_a_project_that_is_not_there_is_made_where_that_is_wanted(
    ffs: Ffs, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = (
        "prepare",
        "--project",
        "harbour",
        "--name",
        "web",
        "--node",
        "node-b",
        "--address",
        "192.0.2.2",
        "--yes",
    )
    told = ffs(*asked)
    assert told.code == 1 and "no such project" in told.err and not list(tmp_path.glob("ffs.*"))
    assert "administrator of the installation" in ffs(*asked, "--create").err
    assert not Project.objects.filter(name="harbour").exists()
    User.objects.filter(pk=site.fleet.alice.pk).update(is_administrator=True)
    done = ffs(*asked, "--create")
    assert done.code == 0 and "The project harbour was made." in done.err
    assert Project.objects.get(name="harbour").nodes.get().services.get().name == "web"
    assert "was made" not in ffs(*asked, "--create").err


def test_a_key_of_the_dashboards_is_rotated_by_the_words_of_the_script(ffs: Ffs, site: Site) -> None:
    done = ffs("cert", "rotate-ssh", *WWW, "--json")
    assert done.code == 0, done
    assert (done.json["kind"], done.json["id"]) == ("rotate-ssh", Operation.objects.get(kind="rotate-ssh").pk)
    again = ffs("cert", "rotate-ssh", *WWW)
    assert again.code == 1 and "Nothing was started." in again.err


def test_what_cannot_be_done_says_why_and_is_1(ffs: Ffs, site: Site) -> None:
    Service.objects.update(live_release=None)
    for arguments, said in [
        (("deploy", *WWW), "--first-deploy"),
        (("deploy", "node-x", "--name", "www"), "no node node-x"),
        (("deploy", "node-a", "--name", "web"), "no service web"),
        (("deploy", *WWW, "--first-deploy", "--image", "none:v1"), "no image 'none:v1'"),
        (("deploy", *WWW, "--first-deploy", "--release", "99"), "nothing at this address"),
        (("rollback", *WWW), "not known"),
        (("cert", "status", *WWW), "has no certificate"),
        (("cert", "rotate-https", *WWW), "no certificate to take the place of"),
        (("logs", "999"), "no such operation"),
    ]:
        done = ffs(*arguments)
        assert (done.code, said in done.err) == (1, True), (arguments, done)
    assert not Operation.objects.filter(kind="deploy").exists()


def test_a_plan_that_warns_starts_nothing_without_a_word(ffs: Ffs, site: Site) -> None:
    site.fleet.read(site.row)
    done = ffs("deploy", *WWW)
    assert (done.code, Operation.objects.filter(kind="deploy").count()) == (1, 0)
    assert "Mode supervisor" in done.err and "--yes" in done.err
    done = ffs("deploy", *WWW, "--yes", "--json")
    assert (done.code, done.json["state"]) == (0, "queued")
    again = ffs("deploy", *WWW, "--yes")
    assert again.code == 1 and "in use since" in again.err
    assert ffs("deploy", *WWW, "--yes", "--queue").code == 0


def test_a_mistake_in_the_arguments_is_64(ffs: Ffs) -> None:
    assert ffs("deploy", "node-a").code == 64
    assert ffs("operations", "--most", "many").code == 64
    assert ffs("deploy", "--help").code == 0


def test_a_token_that_counts_no_more_or_a_dashboard_that_is_away(
    ffs: Ffs, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    AccessToken.objects.all().delete()
    assert "not known" in ffs("nodes").err
    monkeypatch.setenv("FFSWEB_URL", "http://127.0.0.1:1")
    done = ffs("nodes")
    assert done.code == 1 and "does not answer" in done.err
    monkeypatch.setenv("FFSWEB_URL", "ftp://x")
    assert "FFSWEB_URL" in ffs("nodes").err
    monkeypatch.delenv("FFSWEB_TOKEN")
    assert "FFSWEB_TOKEN" in ffs("nodes").err


def test_a_token_may_be_in_a_file(ffs: Ffs, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    made = tokens.make(actor=site.fleet.alice, project=None, name="file", role=Role.VIEWER, days=7)
    (tmp_path / "token").write_text(f"{made.text}\n")
    monkeypatch.delenv("FFSWEB_TOKEN")
    monkeypatch.setenv("FFSWEB_TOKEN_FILE", str(tmp_path / "token"))
    assert ffs("nodes").code == 0
    monkeypatch.setenv("FFSWEB_TOKEN_FILE", str(tmp_path / "none"))
    assert ffs("nodes").code == 1


def test_names_from_elsewhere_do_nothing_to_the_terminal() -> None:
    assert showing.printable("a\x1b[31mb\u202ec\n") == "a�[31mb�c�"


def test_colours_are_for_terminals_that_may_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert showing.coloured("x", showing.RED) == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert showing.coloured("x", showing.RED) == "x"


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_shell_completes_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert completion.completion([shell]) == 0
    script = capsys.readouterr().out
    assert "rotate-https" in script and "first-deploy" in script
    assert completion.completion(["sh"]) == 64


def test_bash_takes_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    completion.completion(["bash"])
    script = capsys.readouterr().out + '\nCOMP_WORDS=(ffs deploy --fir); COMP_CWORD=2; _ffs; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "--first-deploy\n"


def test_a_command_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys; from ffsweb.cli import main; main(['nodes']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={})
    assert "'ffsweb.commands.lists'" in done.stdout
    assert not any(f"'{name}'" in done.stdout for name in ("django", "pydantic", "paramiko", "ffsweb.settings"))
