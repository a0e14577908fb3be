"""What an action prints and logs goes to its job's log, and nowhere else."""

import asyncio
import contextvars
import logging
import sys
import threading

import msgspec
import pytest

from job_engine import Job, action
from job_engine.actions import output
from job_engine.actions.output import CHARACTERS, LEFT_OUT, LINES, LONGEST_LINE, RUNNING, Output
from job_engine.actions.run import run
from job_engine.job.attend import Granted
from job_engine.job.attributes import OUTPUT_LIMIT
from job_engine.testing import run_action
from job_engine.testing.hold import NotingHold


def direct(call, /, *args, **kwargs):
    return call(*args, **kwargs)


def test_prints_and_logs():
    @action
    def talks(job: Job, n: int):
        print("one", n)
        print("a", end="")
        print("b\nc\r\nd")
        print("to stderr", file=sys.stderr)
        logging.getLogger("library").warning("warned %s", "once")
        logging.getLogger("other").info("info")
        logging.getLogger("other").debug("not kept")
        job.logger.error("own")
        sys.stdout.writelines(["e", "f"])
        sys.stdout.flush()

    ran = run_action(talks, n=1)
    assert ran.log == [
        ("INFO", "one 1"), ("INFO", "ab"), ("INFO", "c"), ("INFO", "d"), ("WARNING", "to stderr"),
        ("WARNING", "warned once"), ("INFO", "info"), ("ERROR", "own"), ("INFO", "ef"),
    ]  # fmt: skip
    assert ran.output == "one 1\nab\nc\nd\nto stderr\nown\nef"


def test_nothing_printed_is_no_output():
    assert run_action(action("quiet")(lambda: None)).output is None


def test_a_logged_exception_is_several_lines():
    @action
    def logs(job: Job):
        try:
            raise ValueError("x")
        except ValueError:
            job.logger.exception("it failed")

    lines = [text for _, text in run_action(logs).log]
    assert lines[:2] == ["it failed", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: x"


def test_a_broken_log_call_does_not_break_the_action():
    @action
    def logs(job: Job):
        job.logger.info("%d", "x")
        return 1

    ran = run_action(logs)
    assert ran.result == 1
    assert any("--- Logging error ---" in text for _, text in ran.log)


def test_a_progress_bar_leaves_its_last_state():
    @action
    def draws():
        for n in range(100):
            print(f"\r{n}%", end="")
        print()

    assert run_action(draws).log == [("INFO", "99%")]


def test_a_line_without_an_end_is_shown_while_it_grows(monkeypatch):
    seen: list[tuple[str, str]] = []
    out = Output(lambda level, line: seen.append((level, line)), lambda call, *args: call(*args))
    out.print("INFO", ".")
    out.print("INFO", ".")
    assert seen == []
    monkeypatch.setattr(output, "SHOWN_AFTER", 0.0)
    out.print("INFO", ".")
    assert seen == [("INFO", "...")]
    out.print("INFO", "\n")  # the end of what was shown is no empty line
    out.print("WARNING", "\r 7%")
    out.print("WARNING", "\r 8%")
    out.print("INFO", "\n")
    assert seen == [("INFO", "..."), ("WARNING", " 7%"), ("WARNING", " 8%"), ("INFO", "")]


@pytest.mark.parametrize("text", [".", "\r50%"])
def test_a_write_costs_the_same_however_long_the_line_is(text):
    """Nothing of what was written before is copied again."""
    written: list[str] = []
    out = Output(lambda level, line: written.append(line), lambda call, *args: call(*args))
    for _ in range(3 * LONGEST_LINE):
        out.print("INFO", text)
    assert out._open is not None
    line = out._open["INFO"]
    assert line.length <= LONGEST_LINE + len(text)
    assert sum(map(len, line._parts)) == line.length
    out.close()


def test_tasks_threads_and_contexts():
    @action
    async def talks(job: Job):
        async def part(n):
            await asyncio.sleep(0)
            print("task", n)

        await asyncio.gather(part(1), part(2))
        await asyncio.to_thread(print, "to_thread")
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(print, "copied")),
            threading.Thread(target=job.logger.info, args=("logger",)),
        ]
        for thread in threads:
            thread.start()
            thread.join()

    assert [text for _, text in run_action(talks).log] == ["task 1", "task 2", "to_thread", "copied", "logger"]


def test_two_jobs_at_once_keep_apart():
    both = threading.Barrier(2)
    logs = {}

    @action
    def talks(name: str):
        for n in range(50):
            both.wait(30)
            print(name, n)

    def attempt(name):
        logs[name] = run_action(talks, name=name).log

    threads = [threading.Thread(target=attempt, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert logs == {name: [("INFO", f"{name} {n}") for n in range(50)] for name in "ab"}


def test_outside_a_job_nothing_changes(capsys):
    stdout, handlers = sys.stdout, logging.getLogger().handlers[:]
    output.install()
    try:
        print("outside")
        assert sys.stdout.encoding == stdout.encoding
        assert not sys.stdout.isatty()
        with pytest.raises(TypeError):
            sys.stdout.write(1)
    finally:
        output.uninstall()
    assert sys.stdout is stdout
    assert logging.getLogger().handlers == handlers
    assert capsys.readouterr().out == "outside\n"


def test_a_jobs_records_stay_out_of_the_other_handlers(caplog):
    @action
    def logs(job: Job):
        job.logger.warning("by logger")
        logging.getLogger("other").warning("by module")

    assert len(run_action(logs).log) == 2
    assert caplog.records == []
    logging.getLogger("other").warning("outside")
    assert [record.getMessage() for record in caplog.records] == ["outside"]


def test_the_handler_waits_for_no_lock():
    """An interruption could leave it taken, for every job of the process."""
    lines = []
    kept = output.Output(lambda level, text: lines.append(text), lambda call, *args: call(*args))
    record = logging.makeLogRecord({"msg": "said", "job_output": kept})
    handler = output.JobHandler()
    handler.acquire()
    thread = threading.Thread(target=handler.handle, args=(record,), daemon=True)
    thread.start()
    thread.join(30)
    assert lines == ["said"]


def test_a_filter_of_the_handler_counts():
    lines = []
    kept = output.Output(lambda level, text: lines.append(text), lambda call, *args: call(*args))
    handler = output.JobHandler()
    handler.addFilter(lambda record: record.getMessage() != "dropped")
    for text in ("dropped", "said"):
        handler.handle(logging.makeLogRecord({"msg": text, "job_output": kept}))
    assert lines == ["said"]


def test_what_a_thread_prints_after_the_end_is_not_the_jobs(capsys):
    go, threads = threading.Event(), []

    def late():
        go.wait(30)
        print("late")

    @action
    def leaves():
        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(late,)))
        threads[0].start()

    output.install()
    try:
        hold = NotingHold()
        run(leaves, Job(Granted(1, 1, "job/1", "x", msgspec.Raw(b'{"version":2}')), hold))
        go.set()
        threads[0].join(30)
    finally:
        output.uninstall()
    assert hold.lines == []
    assert capsys.readouterr().out == "late\n"


def test_an_attempt_keeps_so_many_lines():
    @action
    def talks():
        for n in range(LINES + 500):
            print(n)
        raise ValueError("the end")

    ran = run_action(talks)
    assert [text for _, text in ran.log[: LINES + 1]] == [*map(str, range(LINES)), LEFT_OUT]
    assert ran.log[LINES + 1 :][0] == ("ERROR", "Traceback (most recent call last):")
    assert ran.log[-1] == ("ERROR", "ValueError: the end")
    assert f"\n{LINES + 499}\nTraceback" in ran.output


def test_an_attempt_keeps_so_many_characters():
    @action
    def talks():
        for _ in range(200):
            print("x" * 20_000)
        print("\x00\ud800")

    ran = run_action(talks)
    assert len(ran.log) == CHARACTERS // LONGEST_LINE + 1
    assert ran.log[0][1] == "x" * (LONGEST_LINE - 3) + "..."
    assert ran.log[-1][1] == LEFT_OUT
    assert ran.output.endswith("x...\n\ufffd\ufffd")
    assert len(ran.output.encode()) <= OUTPUT_LIMIT


def test_an_endless_line_takes_no_memory():
    kept = []
    log = Output(lambda level, text: kept.append(text), direct)
    for _ in range(1000):
        log.print("INFO", "x" * 5000)
    assert sum(line.length for line in log._open.values()) <= LONGEST_LINE + 5000
    log.close()
    assert list(map(len, kept)) == [LONGEST_LINE]


def test_the_end_is_kept_to_the_byte():
    log = Output(lambda level, text: None, direct)
    for n in range(5000):
        log.add("INFO", f"ü {n}")
    tail = log.close()
    assert OUTPUT_LIMIT - 3 <= len(tail.encode()) <= OUTPUT_LIMIT
    assert tail.endswith("ü 4999")
    assert not log.add("INFO", "closed")
    assert RUNNING.get() is None
