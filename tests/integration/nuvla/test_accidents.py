"""What must not change an outcome beside Nuvla: lost logins, sessions and answers."""

from job_engine.job.attend import Finished
from tests.integration.nuvla.doings import added, answering, finish
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import until
from tests.integration.sources.playing import Play


def test_a_session_that_the_server_forgot_is_made_again(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        logins = place.nuvla.seen.count(("POST", "/api/session"))
        place.nuvla.rule = answering("GET", id_, 401)
        await place.publish([id_])
        (held,) = await executor.grant()
        assert held.id == id_
        assert place.nuvla.seen.count(("POST", "/api/session")) == logins + 1

    play(scene)


def test_what_has_not_begun_is_left_to_others_when_the_api_goes_away(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        cut_off = await place.executor()
        cut_off.proxy.set(refuse=True)
        cut_off.proxy.cut()
        id_ = await added(place)
        await until(lambda: cut_off.exchanges.away_since, "the loop noticing")
        other = await place.executor()
        (held,) = await other.grant()
        assert held.id == id_
        assert cut_off.granted_ == []

    play(scene)


def test_a_lost_session_writes_nothing_more(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        other = await place.executor(room=0)
        id_ = await added(place)
        (held,) = await executor.grant()
        executor.room = 0
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        other.room = 1
        other.exchanges.speak()
        (again,) = await other.grant()
        assert again.id == id_
        executor.holds.finish(held, Finished(*held.key, "FAILED", 1.0, 2.0))
        executor.exchanges.look()
        await executor.told()
        finish(other, again)
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"
        assert [edit["state"] for edit in place.edits(id_)] == ["RUNNING", "RUNNING", "SUCCESS"]

    play(scene)


def test_an_end_that_waits_for_the_api_is_void_when_the_session_is_lost(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        other = await place.executor(room=0)
        id_ = await added(place)
        (held,) = await executor.grant()
        executor.proxy.set(refuse=True)
        executor.proxy.cut()
        finish(executor, held, "FAILED", 1)
        await until(lambda: executor.exchanges.away_since, "the loop noticing")
        executor.room = 0
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        assert executor.source._tasks == {}  # type: ignore[attr-defined]
        executor.proxy.set(refuse=False)
        other.room = 1
        other.exchanges.speak()
        (again,) = await other.grant()
        finish(other, again)
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"

    play(scene)


def test_503_is_an_api_that_is_away(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        place.nuvla.rule = lambda *_: 503
        finish(executor, held)
        await until(lambda: executor.exchanges.away_since, "the loop noticing")
        place.nuvla.rule = lambda *_: None
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"
        assert executor.exchanges.away_since is None

    play(scene)
