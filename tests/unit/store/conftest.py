from collections.abc import Iterator

import pytest

from tests.unit.store.record import Record


@pytest.fixture
def record() -> Iterator[Record]:
    record = Record()
    yield record
    record.connection.close()
