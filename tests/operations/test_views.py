"""The pages, without JavaScript: who sees what, and that the database is what they show."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.utils import timezone

from ffsweb.accounts.models import Project
from ffsweb.operations import ending, runner
from ffsweb.operations.context import Context
from ffsweb.operations.contract import Outcome
from ffsweb.operations.models import LogLine, Operation
from ffsweb.operations.services import Target

from .asgi import cookie_of, fetch
from .test_stream import in_loop

A, B = Target("service:1", "www@node-a"), Target("service:2", "www@node-b")


def write(operation: Operation, count: int, text: str = "line") -> None:
    start = ending.last_number(operation.pk)
    LogLine.objects.bulk_create(
        LogLine(operation=operation, number=start + n, at=timezone.now(), text=f"{text} {start + n}", stream="out")
        for n in range(1, count + 1)
    )


PAGES = ("", "events", "lines", "text")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_for_members_of_its_project_alone(enqueue, visit, mallory, page):
    address = f"/operations/{enqueue('any').pk}/{page}"
    assert visit(mallory).get(address).status_code == 404
    answer = visit(None).get(address)
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/account/login/")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("number", ["0", "999999", "9" * 30])
def test_what_is_not_there_is_not_found(visit, carol, page, number):
    assert visit(carol).get(f"/operations/{number}/{page}").status_code == 404


def test_cancelling_takes_an_operator_and_a_post(enqueue, visit, bob, carol, mallory):
    operation = enqueue("any")
    address = f"/operations/{operation.pk}/cancel"
    assert visit(mallory).post(address).status_code == 404
    assert visit(carol).post(address).status_code == 403
    assert visit(bob).get(address).status_code == 405
    assert Operation.objects.get().state == "queued"
    answer = visit(bob).post(address)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/operations/{operation.pk}/")
    assert Operation.objects.get().state == "cancelled"
    page = visit(bob).post(address, follow=True)
    assert "there is nothing to cancel" in page.content.decode()


def test_a_viewer_is_offered_no_cancel(enqueue, visit, bob, carol):
    address = f"/operations/{enqueue('any').pk}/"
    assert ">Cancel<" not in visit(carol).get(address).content.decode()
    assert "Cancel</button>" in visit(bob).get(address).content.decode()


def test_the_page_has_everything_without_javascript(enqueue, kind, visit, carol):
    def run(context: Context) -> Outcome:
        context.log("\x1b[31mred\x1b[0m <b>& co", target=A, stream="out")
        with context.step("switch", A) as step:
            step.evidence({"unit": "sha256:abc", "<i>": "<script>"})
        return Outcome("failed", "The gate failed: 2 restarts.")

    operation = enqueue(kind(run), targets=(A, B))
    runner.run(operation.pk)
    page = visit(carol).get(f"/operations/{operation.pk}/").content.decode()
    assert '<span class="ansi-fg-red">red</span> &lt;b&gt;&amp; co' in page
    assert "<b>&" not in page
    assert "<script>" not in page.replace("<script src=", "")
    for part in (
        "sha256:abc",
        "The gate failed: 2 restarts.",
        "www@node-a",
        "Not begun.",
        'id="L1"',
        'href="?from=1#L1"',
    ):
        assert part in page
    assert "data-finished" in page
    assert ' style="' not in page


def test_a_long_log_is_shown_from_its_end_and_every_line_can_be_reached(enqueue, visit, carol):
    operation = enqueue("any")
    write(operation, 2500)
    client = visit(carol)

    def numbers(query: str) -> list[int]:
        page = client.get(f"/operations/{operation.pk}/{query}").content.decode()
        return [int(part.partition('"')[0]) for part in page.split('<li id="L')[1:]]

    assert numbers("") == list(range(1501, 2501))
    assert numbers("?from=501") == list(range(501, 1501))
    assert numbers("?from=1") == list(range(1, 1001))
    assert numbers("?from=2500") == [2500]
    assert numbers("?from=99999") == []
    assert numbers("?from=nonsense") == list(range(1501, 2501))
    page = client.get(f"/operations/{operation.pk}/").content.decode()
    assert 'href="?from=501" data-earlier' in page


def test_htmx_gets_the_state_alone(enqueue, visit, carol):
    operation = enqueue("any")
    write(operation, 5)
    answer = visit(carol).get(f"/operations/{operation.pk}/", headers={"HX-Request": "true"})
    part = answer.content.decode().strip()
    assert part.startswith('<section id="situation"')
    assert "log-view" not in part
    assert "no-cache" in answer.headers["Cache-Control"]


def test_lines_are_handed_out_by_number(enqueue, visit, carol):
    operation = enqueue("any", targets=(A,))
    write(operation, 1500)
    client = visit(carol)

    def ask(query: str) -> tuple[list[int], dict]:
        found = json.loads(client.get(f"/operations/{operation.pk}/lines?{query}").content)
        return [line["n"] for line in found["lines"]], found

    numbers, found = ask("after=0")
    assert numbers == list(range(1, 1001))
    assert (found["last"], found["state"], found["finished"]) == (1500, "queued", False)
    assert set(found["lines"][0]) == {"n", "at", "t", "s", "h"}
    assert ask("after=1000&limit=3")[0] == [1001, 1002, 1003]
    assert ask("after=1500")[0] == []
    assert ask("limit=2")[0] == [1499, 1500]
    assert ask("before=11&limit=5")[0] == [6, 7, 8, 9, 10]
    assert ask("before=4&limit=1000")[0] == [1, 2, 3]
    assert ask("before=1")[0] == []
    assert ask("after=-5&limit=999999")[0] == list(range(1, 1001))
    assert ask("after=x&limit=0")[0] == [1]


@pytest.mark.parametrize("how", ["wsgi", "asgi"])
def test_the_text_is_what_the_database_holds(enqueue, kind, visit, carol, how):
    def run(context: Context) -> Outcome:
        for number in range(1200):
            context.log(f"\x1b[1mline\x1b[0m {number}\twith tab", target=A if number % 2 else None, stream="out")
        return Outcome("succeeded", "Done.")

    operation = enqueue(kind(run), targets=(A,))
    runner.run(operation.pk)
    address = f"/operations/{operation.pk}/text"
    if how == "wsgi":
        answer = visit(carol).get(address)
        body = b"".join(answer.streaming_content).decode()
        assert answer.headers["Content-Disposition"] == f'attachment; filename="operation-{operation.pk}.log"'
    else:
        found = []

        async def main() -> None:
            found.append(await fetch(address, cookie))

        cookie = cookie_of(carol)
        in_loop(main)
        body = found[0].body.decode()
    rows = body.split("\n")
    assert rows.pop() == ""
    kept = list(LogLine.objects.filter(operation=operation).select_related("target"))
    assert len(rows) == len(kept) == 1201
    for row, line in zip(rows, kept, strict=True):
        number, at, stream, label, text = row.split("\t", 4)
        assert (int(number), stream) == (line.number, line.stream)
        assert label == (line.target.label if line.target else "-")
        assert text == line.text.replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert at.endswith("Z")


def test_the_list_shows_what_one_may_see_and_filters_it(enqueue, visit, bob, carol, mallory):
    other = Project.objects.create(name="other")
    Operation.objects.create(project=other, kind="deploy", title="Secret title", actor_name="root")
    done = enqueue("deploy")
    Operation.objects.filter(pk=done.pk).update(state="failed", title="Failed one")
    enqueue("probe.all")
    hers = enqueue("restart", targets=(A, B))
    Operation.objects.filter(pk=hers.pk).update(title="Asked by alice", actor_name="alice", state="cancelled")
    client = visit(carol)
    everything = client.get("/operations/").content.decode()
    assert "Failed one" in everything
    assert "Test probe.all" in everything
    assert "Secret title" not in everything
    assert "other" not in everything.partition("<main")[2].replace("another", "")
    for query, shown, hidden in (
        ("state=failed", "Failed one", "Test probe.all"),
        ("state=active", "Test probe.all", "Failed one"),
        ("kind=deploy", "Failed one", "Test probe.all"),
        ("project=serbest", "Failed one", "Secret title"),
        ("by=BOB", "Failed one", "Asked by alice"),
        ("target=NODE-B", "Asked by alice", "Failed one"),
        ("target=node-b&by=bob", "Nothing matches", "Asked by alice"),
        ("target=%00&by=%00", "Failed one", "Secret title"),
    ):
        page = client.get(f"/operations/?{query}").content.decode()
        assert shown in page
        assert hidden not in page
    assert "Nothing matches" in client.get("/operations/?state=succeeded").content.decode()
    assert "Failed one" in client.get("/operations/?state=nonsense&kind=nonsense&project=other").content.decode()
    assert "No operations yet" in visit(mallory).get("/operations/").content.decode()
    assert visit(None).get("/operations/").status_code == 302


def test_what_is_active_comes_first_with_what_it_has_and_waits_for(enqueue, visit, carol, mallory):
    first = enqueue("deploy", holds=(A.key, "service:9"), targets=(A,))
    enqueue("restart", holds=(A.key,), targets=(A,), wait=True)
    Operation.objects.filter(pk=first.pk).update(state="running")
    page = visit(carol).get("/operations/").content.decode()
    active = page.partition("Active now")[2].partition("</section>")[0]
    assert "service:9, www@node-a" in active
    assert "nothing; waits for www@node-a" in active
    assert active.index("Test deploy") < active.index("Test restart")
    assert "Active now" not in visit(carol).get("/operations/?state=active").content.decode()
    assert "Active now" not in visit(mallory).get("/operations/").content.decode()


def test_many_active_ones_cost_the_same_and_are_counted(enqueue, visit, carol, django_assert_max_num_queries):
    for number in range(40):
        enqueue("deploy", holds=(f"service:{number}",), targets=(Target(f"service:{number}", f"number {number}"),))
    client = visit(carol)
    with django_assert_max_num_queries(14):
        page = client.get("/operations/").content.decode()
    active = page.partition("Active now")[2].partition("</section>")[0]
    assert active.count("Test deploy") == 25
    assert "All 40" in active


def test_the_list_is_paged_and_costs_the_same_for_any_number(enqueue, visit, carol, django_assert_max_num_queries):
    for number in range(120):
        Operation.objects.create(
            project=Project.objects.get(), kind="x", title=f"Operation-{number:03}", actor_name="b"
        )
    client, address, seen = visit(carol), "/operations/?kind=x", []
    while address:
        with django_assert_max_num_queries(10):
            page = client.get(address).content.decode()
        seen += [part[:3] for part in page.split("Operation-")[1:]]
        older = page.partition('href="?kind=x&amp;before=')[2].partition('"')[0]
        address = f"/operations/?kind=x&before={older}" if older else ""
    assert seen == [f"{number:03}" for number in reversed(range(120))]


def test_streams_are_never_compressed_or_cached(enqueue, carol):
    operation, cookie = enqueue("any"), cookie_of(carol)
    write(operation, 1)
    Operation.objects.filter(pk=operation.pk).update(state="succeeded")
    found = []

    async def main() -> None:
        found.append(await fetch(f"/operations/{operation.pk}/events", cookie, **{"accept-encoding": "gzip"}))

    in_loop(main)
    assert "content-encoding" not in found[0].answer
    assert settings.SESSION_COOKIE_NAME not in found[0].answer.get("set-cookie", "")
