import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from job_engine.executor.messages import Frames, Orders, RawReport, frame, orders_of, report_of
from job_engine.job.attend import Finished, Granted


@given(st.lists(st.integers(1, 20), max_size=10), st.integers(1, 64))
def test_frames_arrive_whole_however_they_are_cut(sizes: list[int], cut: int) -> None:
    sent = [Orders(interrupt=[(n, "x" * n)]) for n in sizes]
    stream = b"".join(map(frame, sent))
    frames = Frames(orders_of)
    got = [order for at in range(0, len(stream), cut) for order in frames.feed(stream[at : at + cut])]
    assert got == sent


def test_documents_and_results_pass_as_they_are() -> None:
    document = b'{"payload":"{\\"a\\": 1}",  "n":1.0}'
    (order,) = Frames(orders_of).feed(frame(Orders(run=[(7, Granted(1, 1, "job/1", "a", Raw(document)))])))
    assert bytes(order.run[0][1].document) == document
    end = Raw(msgspec.json.encode((7, Finished(1, 1, "SUCCESS", 1.0, 2.0, result=Raw(b'{"x":  1}')))))
    (report,) = Frames(report_of).feed(frame(RawReport(finished=[end], unbegun=[8])))
    handle, finished = report.finished[0]
    assert handle == 7
    assert finished.result is not None
    assert bytes(finished.result) == b'{"x":  1}'
    assert report.unbegun == [8]


def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        Frames(report_of).feed(b"\x02\x00\x00\x00no")
