"""Jobs and actions for tests of the run of an attempt."""

import msgspec

from job_engine import Job, action
from job_engine.job.attend import Granted
from job_engine.testing.hold import NotingHold


def job_of(name="x", hold=None, **document) -> Job:
    document = {"version": 2, **document}
    return Job(Granted(1, 1, "job/1", name, msgspec.Raw(msgspec.json.encode(document))), hold or NotingHold())


def nuvla(do_work, init=lambda self, job: None):
    return action("nuvla_like")(type("NuvlaLike", (), {"__init__": init, "do_work": do_work}))
