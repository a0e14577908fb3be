"""When schedules are due, what becomes of missed ticks, and clocks that jump: by a clock that the tests move."""

from calendar import monthrange
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from job_engine.job.errors import Invalid
from job_engine.job.schedule import FUTURE, MOST, ON_TIME, Cron, Interval, Missed, plan, schedule

NOW = 1_700_000_000_000
ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
EXPRESSIONS = [
    *("0 3 * * *", "30 2 * * *", "0,30 2 * * *", "15 1-3 * * *", "0 0 1 * *", "0 12 * * MON-FRI", "0 0 29 2 *"),
    *("* * * * *", "*/15 * * * *", "7 * * * *", "* 2 * * *", "*/20 */2 * * *", "*/30 * 2 * * *"),
]
# 2023 to 2026, so that every zone changes its clocks several times
moments = st.integers(1_672_531_200_000, 1_798_761_600_000)
schedules = st.one_of(
    st.integers(100, 10**9).map(Interval),
    st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES).map(ZoneInfo)),
)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def shown(due: int, zone: str) -> str:
    return datetime.fromtimestamp(due / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M %z")


def days(cron: str, zone: str, start: str, count: int) -> list[str]:
    due, found = at(start, zone), []
    made = schedule(cron=cron, timezone=zone)
    for _ in range(count):
        due = made.after(due)
        found.append(shown(due, zone))
    return found


@given(schedules, moments)
def test_the_next_one_is_later_and_does_not_depend_on_who_asks_when(of, moment):
    due = of.after(moment)
    assert due > moment
    assert of.after(due - 1) == due
    assert of.after((moment + due) // 2) == due or (moment + due) // 2 == due


@given(schedules, moments, st.integers(0, 30))
def test_the_newest_are_those_that_counting_on_finds(of, moment, count):
    counted, due = [], moment
    for _ in range(count):
        due = of.after(due)
        counted.append(due)
    assert of.newest(moment, due, count + 1) == counted
    assert of.newest(moment, due, 3) == counted[-3:]
    assert of.newest(moment, due - 1, 3) == counted[:-1][-3:]


def test_an_interval_counts_from_the_epoch():
    assert schedule(every="30s").after(NOW + 1) % 30_000 == 0
    assert schedule(every="1d").after(NOW) == at("2023-11-15T00:00")
    assert str(schedule(every=90)) == "every 90 s"


def test_a_gap_in_the_day_makes_it_late_and_an_hour_that_comes_twice_counts_once():
    assert days("30 2 * * *", "Europe/Zurich", "2024-03-30T00:00", 3) == [
        "03-30 02:30 +0100",
        "03-31 03:00 +0200",
        "04-01 02:30 +0200",
    ]
    assert days("30 2 * * *", "Europe/Zurich", "2024-10-26T12:00", 2) == ["10-27 02:30 +0200", "10-28 02:30 +0100"]
    assert days("0,30 2 * * *", "Europe/Zurich", "2024-03-30T12:00", 2) == ["03-31 03:00 +0200", "04-01 02:00 +0200"]


def test_what_is_due_all_the_time_follows_the_time_that_passes():
    assert days("0 * * * *", "Europe/Zurich", "2024-10-27T01:30", 3) == [
        "10-27 02:00 +0200",
        "10-27 02:00 +0100",
        "10-27 03:00 +0100",
    ]
    assert days("0 * * * *", "Europe/Zurich", "2024-03-31T01:30", 2) == ["03-31 03:00 +0200", "03-31 04:00 +0200"]


@given(schedules, moments)
def test_whoever_asks_within_the_hour_that_comes_twice_gets_nothing_again(of, moment):
    dues = [of.after(moment)]
    for _ in range(5):
        dues.append(of.after(dues[-1]))
    assert dues == sorted(set(dues))


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({}, "a schedule is"),
        ({"every": 1, "cron": "* * * * *"}, "give every or cron, not both"),
        ({"every": "often"}, "not a duration"),
        ({"every": 0.01}, "too often"),
        ({"every": 60, "timezone": "UTC"}, "has no timezone"),
        ({"cron": "0 25 * * *"}, "bad hour"),
        ({"cron": "daily"}, "wrong number of fields"),
        ({"cron": "0 0 31 2,4 *"}, "never comes"),
        ({"cron": "0 0 0 30 2 *"}, "never comes"),
        ({"cron": "0 0 32 2 *"}, "bad day-of-month"),
        ({"cron": "0 0 30 13 *"}, "bad month"),
        ({"cron": "0 0 * 2 MON#5", "timezone": "Mars/Olympus"}, "no time zone"),
        ({"cron": "* * * * *", "timezone": "../etc"}, "time zone"),
    ],
)
def test_what_is_no_schedule_is_refused(given_, said):
    with pytest.raises(Invalid, match=said):
        schedule(**given_)


def test_skip_makes_the_one_that_is_due_now_and_none_that_was_missed():
    of = schedule(every="10m")
    due = of.after(NOW)
    assert plan(of, Missed.SKIP, due - 1, due).due == (due,)
    assert plan(of, Missed.SKIP, due - 1, due + ON_TIME).due == (due,)
    late = plan(of, Missed.SKIP, due - 1, due + ON_TIME + 1)
    assert (late.due, late.seen, late.passed, late.next) == ((), due, True, due + 600_000)
    hour = plan(of, Missed.SKIP, due, due + 3_600_000)
    assert (hour.due, hour.passed) == ((due + 3_600_000,), True)


def test_once_makes_the_newest_however_late():
    of = schedule(every="1s")
    late = plan(of, Missed.ONCE, NOW, NOW + 86_400_500)
    assert (late.due, late.seen, late.passed) == ((NOW + 86_400_000,), NOW + 86_400_000, True)


def test_all_makes_each_and_not_too_many():
    of = schedule(every="1s")
    assert plan(of, Missed.ALL, NOW, NOW + 5_100).due == tuple(range(NOW + 1000, NOW + 5001, 1000))
    many = plan(of, Missed.ALL, NOW, NOW + 86_400_000)
    assert (len(many.due), many.due[-1], many.passed) == (MOST, NOW + 86_400_000, True)


@given(
    st.integers(1, 30).map(lambda n: Interval(n * 1000)),
    st.sampled_from(Missed),
    st.lists(st.integers(-FUTURE, FUTURE // 10), max_size=40),
)
@example(Interval(1000), Missed.ALL, [5000, -3000, 0, 4000])
def test_a_clock_that_jumps_makes_no_tick_twice_and_leaves_none_out(of, missed, jumps):
    """Whoever made its ticks by the plan has made each at most once, and with `all` each that the clock passed."""
    seen = now = highest = NOW
    made: list[int] = []
    for jump in jumps:
        now += jump
        highest = max(highest, now)
        if seen - now > FUTURE:  # waits for nothing then: the next test
            return
        planned = plan(of, missed, seen, now)
        assert planned.next > max(seen, now)
        made += planned.due
        seen = planned.seen
    assert made == sorted(set(made))
    if missed is Missed.ALL and highest - NOW < MOST * of.every:
        assert made == of.newest(NOW, highest, MOST)


def test_a_clock_that_was_wrong_by_years_stops_nothing():
    of = schedule(every="1m")
    planned = plan(of, Missed.ONCE, at("2040-01-01T00:00"), NOW)
    assert planned.next == of.after(NOW)
    assert plan(of, Missed.ONCE, planned.seen, planned.next).due == (planned.next,)


def test_the_zone_of_a_schedule_is_that_of_its_expression():
    assert schedule(cron="0 3 * * *").zone == ZoneInfo("UTC")
    assert str(schedule(cron=" 0 3  * * *", timezone="Asia/Tokyo")) == "0 3 * * * (Asia/Tokyo)"
    assert schedule(every=1).zone is None
    assert datetime.fromtimestamp(schedule(cron="0 3 * * *").after(NOW) / 1000, UTC).hour == 3


def test_two_times_in_the_gap_are_one_tick():
    of = schedule(cron="0,30 2 * * *", timezone="Europe/Zurich")
    start, end = at("2024-03-31T00:00", "Europe/Zurich"), at("2024-04-01T12:00", "Europe/Zurich")
    assert [shown(due, "Europe/Zurich") for due in of.newest(start, end, 9)] == [
        "03-31 03:00 +0200",
        "04-01 02:00 +0200",
        "04-01 02:30 +0200",
    ]


def test_within_the_hour_that_comes_again_nothing_is_due_again():
    of = schedule(cron="45 2 * * *", timezone="Europe/Zurich")
    again = at("2024-10-27T02:30", "Europe/Zurich") + 3_600_000
    assert shown(again, "Europe/Zurich") == "10-27 02:30 +0100"
    assert shown(of.after(again), "Europe/Zurich") == "10-28 02:45 +0100"


ODD_CHANGES = [
    ("Australia/Lord_Howe", 2025, 4), ("Australia/Lord_Howe", 2025, 10),  # by half an hour
    ("Antarctica/Troll", 2025, 3), ("Antarctica/Troll", 2025, 10),  # by two hours
    ("Africa/Cairo", 2024, 4), ("Africa/Cairo", 2024, 10),  # at midnight
    ("Pacific/Chatham", 2025, 4), ("Pacific/Chatham", 2025, 9),  # at 2:45
    ("Africa/Casablanca", 2025, 2), ("Africa/Casablanca", 2025, 4),  # around Ramadan
    ("America/Havana", 2025, 3), ("America/Havana", 2025, 11),
    ("Europe/Dublin", 2025, 3),  # whose summer is the standard time
]  # fmt: skip


@given(st.sampled_from(ODD_CHANGES), st.integers(0, 23), st.integers(0, 59))
def test_a_time_of_the_day_is_due_once_a_day_at_odd_changes_of_the_clock(change, hour, minute):
    """As zoneinfo has it: at that time if the day has it, the first if it has two, else on that day all the same."""
    name, year, month = change
    zone = ZoneInfo(name)
    daily = schedule(cron=f"{minute} {hour} * * *", timezone=name)
    for day in range(1, monthrange(year, month)[1] + 1):
        midnight = datetime(year, month, day, tzinfo=zone)
        due = datetime.fromtimestamp(daily.after(round(midnight.timestamp() * 1000) - 1) / 1000, zone)
        meant = datetime(year, month, day, hour, minute, tzinfo=zone)
        if meant.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == meant.replace(tzinfo=None):
            assert due == meant.astimezone(zone)
            assert due.timestamp() == meant.timestamp()
        else:
            assert due.date() == meant.date()
        following = datetime.fromtimestamp(daily.after(round(due.timestamp() * 1000)) / 1000, zone)
        assert following.date() > due.date()
