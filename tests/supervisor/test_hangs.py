"""A running process is not a healthy one: real children that hang, die and misbehave."""

from __future__ import annotations

import os
import signal
import time

from tests.supervisor.conftest import alive, gone

BEAT_FOR_EVER = "\nwhile True:\n    beat(); time.sleep(0.05)\n"


def test_a_killed_child_is_restarted_at_once(supervise):
    running = supervise(code=BEAT_FOR_EVER)
    pid = running.started()
    running.wait_for("first heartbeat")
    os.kill(pid, signal.SIGKILL)
    running.wait_for("was killed by SIGKILL")
    running.wait_for("restart at once")
    assert running.started() != pid
    running.wait_for("first heartbeat")
    assert running.stop() == 0


def test_a_stopped_child_is_noticed_within_three_intervals_and_replaced(supervise):
    running = supervise(code=BEAT_FOR_EVER)
    pid = running.started()
    running.wait_for("first heartbeat")
    os.kill(pid, signal.SIGSTOP)
    since = time.monotonic()
    running.wait_for("missed 1 of 3")
    running.wait_for("hung: no heartbeat")
    assert time.monotonic() - since < 3 * 0.2 + 2  # two seconds for a busy machine
    running.wait_for("killed: it did not end")  # a stopped process does not take SIGTERM
    assert running.started() != pid
    assert gone(pid)


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(supervise):
    running = supervise(
        code="\nimport signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nbeat()\ntime.sleep(60)\n"
    )
    pid = running.started()
    running.wait_for("hung")
    running.wait_for("was killed by SIGKILL")
    assert running.started() != pid


def test_a_child_that_closes_its_pipe_is_not_healthy(supervise, tmp_path):
    status = tmp_path / "status.json"
    running = supervise(
        "--status", str(status), code='\nbeat()\nos.close(int(os.environ["FFS_HEARTBEAT_FD"]))\ntime.sleep(60)\n'
    )
    running.wait_for("closed its heartbeat pipe")
    running.wait_for("hung")
    running.wait_for("restart")


def test_a_deadlocked_child_is_replaced(supervise):
    running = supervise(
        code="""
import threading
one, other, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
def second():
    with other:
        both.wait()
        one.acquire()
threading.Thread(target=second, daemon=True).start()
beat()
with one:
    both.wait()
    beat()
    other.acquire()
"""
    )
    pid = running.started()
    running.wait_for("hung: no heartbeat")
    assert running.started() != pid
    assert gone(pid)


def test_a_child_that_never_beats_hangs_when_heartbeats_are_required(supervise):
    running = supervise("--heartbeat", "required", command=("sleep", "60"))
    running.wait_for("no heartbeat within 1.5 s of its start")
    running.wait_for("restart at once")


def test_an_image_may_say_that_its_program_owes_heartbeats(supervise):
    running = supervise(command=("sleep", "60"), FFS_HEARTBEAT="required")
    running.wait_for("no heartbeat within 1.5 s of its start")
    assert "ready" not in running.text()


def test_an_image_that_says_something_else_is_refused(supervise):
    running = supervise(command=("sleep", "60"), FFS_HEARTBEAT="often")
    assert running.process.wait(20) == 2
    assert "FFS_HEARTBEAT is 'often'" in running.text()


def test_a_program_that_knows_no_heartbeats_is_healthy_while_it_runs(supervise):
    running = supervise(command=("sleep", "60"))
    running.wait_for("ready: sleep")
    time.sleep(1)
    assert "hung" not in running.text()
    assert running.stop() == 0


def test_the_first_heartbeat_of_an_optional_child_makes_the_next_ones_due(supervise):
    running = supervise("--heartbeat", "optional", code="\nbeat()\ntime.sleep(60)\n")
    running.wait_for("ready")
    running.wait_for("hung")


def test_a_flood_of_output_and_of_heartbeats_changes_nothing(supervise):
    running = supervise(
        code="""
end = time.monotonic() + 1.5
while time.monotonic() < end:
    sys.stdout.write("x" * 100_000 + "\\n")
    try:
        os.write(int(os.environ["FFS_HEARTBEAT_FD"]), b"H" * 60_000)
    except BlockingIOError:
        pass
"""
    )
    running.started()
    assert running.process.wait(20) == 0
    assert "hung" not in running.text()


def test_a_forked_grandchild_dies_with_its_hung_parent(supervise):
    running = supervise(
        code="""
if os.fork() == 0:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("grandchild", os.getpid(), flush=True)
    time.sleep(60)
beat()
time.sleep(60)
"""
    )
    grandchild = int(running.wait_for(r"grandchild (\d+)").group(1))
    running.wait_for("hung")
    running.wait_for("restart")
    assert gone(grandchild)


def test_the_stragglers_of_a_crashed_child_are_killed_before_the_restart(supervise):
    running = supervise(
        code="""
pid = os.fork()
if pid == 0:
    time.sleep(60)
print("straggler", pid, flush=True)
time.sleep(0.5)
os._exit(3)
"""
    )
    straggler = int(running.wait_for(r"straggler (\d+)").group(1))
    running.wait_for("exited with 3")
    running.started()
    assert gone(straggler)


def test_a_supervisor_that_was_itself_stopped_does_not_blame_its_children(supervise):
    running = supervise(code=BEAT_FOR_EVER)
    pid = running.started()
    running.wait_for("first heartbeat")
    os.kill(running.process.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(running.process.pid, signal.SIGCONT)
    time.sleep(0.1)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)
    assert "hung" not in running.text()
    assert alive(pid)
