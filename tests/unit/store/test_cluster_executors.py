"""Executors in a cluster, on a real store: what a server refuses, who falls silent, and actions that nobody has."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from job_engine.api import acl, executors
from job_engine.api.identity import Caller
from job_engine.job.action_details import ActionDetails
from job_engine.job.attend import Claim
from job_engine.job.errors import Invalid
from job_engine.store import jobs, settings
from job_engine.store.executors import Executors
from tests.unit.store.test_executors import Scene, hello, job, play

MEMBER, ENTRY = "executor-00000000000000aa", "entry-999-0000000001"
SHORT, LONG = 0.05, 3600.0


async def lacks(scene: Scene, id_: str, action: str = "noop") -> None:
    """An executor that can run ``action`` claims a job that it cannot run."""
    if "ours" not in scene.executors.alive:
        await scene.says("ours", member=MEMBER, hello=hello(action))
    await scene.until(lambda: not scene.executors._unknown._task or scene.executors._unknown._task.done())
    answer = await scene.says("ours", member=MEMBER, claims=[Claim(ENTRY, id_)])
    assert answer.refused == [(ENTRY, "cannot")]


async def add(scene: Scene, action: str) -> str:
    return (await scene.store.write(jobs.add, [job(action=action)]))[0]


async def remembered(scene: Scene) -> list[str]:
    query = f"select name from setting where name glob '{settings.LACKED}*'"
    return await scene.store.read(lambda connection: [name for (name,) in connection.execute(query)])


def test_a_server_refuses_executors_of_the_other_kind(tmp_path: Path) -> None:
    async def cluster(scene: Scene) -> None:
        for said in ({"hello": hello("noop")}, {"free": 1}, {"free": 1, "member": MEMBER}):
            with pytest.raises(Invalid, match="start the executor with --zk-hosts"):
                await scene.says("embedded", **said)
        with pytest.raises(Invalid, match="needs the member"):
            await scene.says("ours", claims=[Claim(ENTRY, "job/x")])
        assert scene.executors.alive == {}, "who is refused is not listed"

    async def embedded(scene: Scene) -> None:
        for said in ({"claims": [Claim(ENTRY, "job/x")]}, {"member": MEMBER}):
            with pytest.raises(Invalid, match="this server uses no ZooKeeper"):
                await scene.says("ours", hello=hello("noop"), **said)
        assert scene.executors.alive == {}

    play(tmp_path, cluster, cluster=True)
    play(tmp_path, embedded)


def test_who_falls_silent_keeps_its_holds_for_its_member_decides(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id_ = await add(scene, "noop")
        await scene.says("ours", member=MEMBER, hello=hello("noop"), claims=[Claim(ENTRY, id_)])
        await scene.until(lambda: not scene.executors.alive)
        await scene.until(lambda: not scene.executors._tasks)
        assert (await scene.state(id_))[:2] == ("RUNNING", MEMBER)

    play(tmp_path, scenario, cluster=True, period=0.2)


def test_who_is_replaced_is_gone_at_once(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.says("dead", member=MEMBER, hello=hello("noop"))
        await scene.says("other", member="executor-00000000000000cc", hello=hello("noop"))
        await scene.says("heir", member="executor-00000000000000bb", hello=hello("noop", replaces=MEMBER))
        assert {executor.id for executor in scene.executors.present} == {"heir", "other"}

    play(tmp_path, scenario, cluster=True)


def test_who_says_hello_hears_where_the_queue_is(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert (await scene.says("ours", member=MEMBER, hello=hello("noop"))).queue == "/prod/job"
        assert (await scene.says("ours", member=MEMBER)).queue == ""

    play(tmp_path, scenario, cluster=True, queue="/prod/job")


def test_members_that_hold_something_are_no_executors_after_a_start(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.store.write(jobs.claim_entries, MEMBER, [Claim(ENTRY, await add(scene, "noop"))], {"noop"})
        again = Executors(scene.store, cluster=True)
        await again.start()
        assert again.alive == {}
        again.stop()

    play(tmp_path, scenario, cluster=True)


def test_the_longest_session_timeout_is_known_at_once_and_after_a_start(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.executors.longest_session == 0.0
        said = hello("noop")
        said.session_timeout = 12.5
        await scene.says("ours", member=MEMBER, hello=said)
        assert scene.executors.longest_session == 12.5
        caller = Caller("user/a", acl.ADMIN, frozenset({acl.ADMIN}))
        (shown,) = executors.executors(SimpleNamespace(executors=scene.executors), caller)
        assert (shown["member"], shown["session-timeout"]) == (MEMBER, 12.5)
        again = Executors(scene.store, cluster=True)
        await again.start()
        assert again.longest_session == 12.5
        again.stop()

    play(tmp_path, scenario, cluster=True)


def test_what_actions_declare_secret_is_known_at_once_after_a_start(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        said = hello("noop")
        said.details = {"noop": ActionDetails(secret=["password"])}
        await scene.says("ours", member=MEMBER, hello=said)
        again = Executors(scene.store, cluster=True)
        await again.start()
        assert again.secrets == {"noop": {"password"}}
        again.stop()

    play(tmp_path, scenario, cluster=True)


def test_claims_of_who_is_unknown_are_not_refused_for_good(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id_ = await add(scene, "noop")
        answer = await scene.says("ours", member=MEMBER, claims=[Claim(ENTRY, id_)])
        assert (answer.hello, answer.refused) == (True, [(ENTRY, "held")])
        answer = await scene.says("ours", member=MEMBER, hello=hello("noop"), claims=[Claim(ENTRY, id_)])
        assert [granted.id for granted in answer.jobs] == [id_]

    play(tmp_path, scenario, cluster=True)


def test_an_action_that_nobody_has_fails_only_once_an_executor_was_refused_a_job_of_it(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id_ = await add(scene, "rare")
        await scene.says("ours", member=MEMBER, hello=hello("noop"))
        await scene.executors._unknown._task
        assert scene.executors.fails_at("rare") is None, "an executor of another kind may have it"
        assert (await scene.state(id_))[0] == "QUEUED"
        await lacks(scene, id_)
        await scene.becomes(id_, "FAILED")
        assert (await scene.state(id_))[2] == "Not implemented action ID: rare"

    play(tmp_path, scenario, cluster=True, period=SHORT, unknown_action_grace=0.0)


def test_the_grace_begins_anew_when_another_kind_of_executor_runs_such_a_job(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        first, second = await add(scene, "rare"), await add(scene, "rare")
        await lacks(scene, second)
        await scene.until(lambda: scene.executors.fails_at("rare"))
        since = scene.executors._unknown._since["rare"]
        await scene.store.write(jobs.edit, 1, {"state": "RUNNING"})
        await scene.until(lambda: scene.executors._unknown._since["rare"] > since)
        assert (await scene.state(first))[:2] == ("RUNNING", None)

    play(tmp_path, scenario, cluster=True, unknown_action_grace=LONG)


def test_an_executor_that_comes_with_the_action_ends_the_grace(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        id_ = await add(scene, "rare")
        await lacks(scene, id_)
        await scene.until(lambda: scene.executors.fails_at("rare"))
        await scene.says("theirs", member="executor-00000000000000bb", hello=hello("rare"))
        await scene.until(lambda: scene.executors.fails_at("rare") is None)
        assert (await scene.state(id_))[0] == "QUEUED"

    play(tmp_path, scenario, cluster=True, unknown_action_grace=LONG)


def test_what_was_lacked_is_known_after_a_start_for_nobody_tries_that_entry_again(tmp_path: Path) -> None:
    async def before(scene: Scene) -> None:
        await lacks(scene, await add(scene, "rare"))

    async def after(scene: Scene) -> None:
        assert await remembered(scene) == ["lacked rare"]
        await scene.says("ours", member=MEMBER, hello=hello("noop"))
        query = "select state from job"
        while await scene.store.read(lambda connection: connection.execute(query).fetchone()) != ("FAILED",):
            await scene.executors._unknown._look()
        while await remembered(scene):  # nothing waits for it any more
            await scene.executors._unknown._look()

    play(tmp_path, before, cluster=True, unknown_action_grace=LONG)
    play(tmp_path, after, cluster=True, period=SHORT, unknown_action_grace=0.0)


def test_jobs_added_later_of_an_action_that_was_lacked_have_a_grace_too(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lacks(scene, await add(scene, "rare"))
        await scene.says("theirs", member="executor-00000000000000bb", hello=hello("rare"))
        await scene.store.write(jobs.cancel, [1])
        await scene.until(lambda: scene.executors.fails_at("rare") is None)
        del scene.executors.alive["theirs"]
        await add(scene, "rare")  # it was lacked, so its executors may leave its entries alone
        await scene.until(lambda: scene.executors.fails_at("rare"))

    play(tmp_path, scenario, cluster=True, unknown_action_grace=LONG)
