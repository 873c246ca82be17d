"""The desk, at which orders are handed out: what becomes of them where workers or dask fail."""

from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest

distributed = pytest.importorskip("distributed", reason="dask.distributed is an extra")

from wsiseg.cluster.desk import Desk  # noqa: E402
from wsiseg.cluster.messages import StoppedError  # noqa: E402
from wsiseg.cluster.workforce import Workforce  # noqa: E402
from wsiseg.errors import ClusterError  # noqa: E402

KILLED = distributed.KilledWorker("one", SimpleNamespace(address="tcp://a:1"), 0)


class Future:
    """What became of a task: its result, or what is raised by asking for it."""

    def __init__(self, client, result=None, error=None, fetching=None):
        self.client, self._result, self._error, self._fetching = client, result, error, fetching
        self.status = "error" if error is not None else "finished"

    def done(self):
        return True

    def exception(self):
        return self._error

    def result(self, timeout=None):
        if self._fetching is not None:
            raise self._fetching
        return self._result

    def cancel(self, force=False):
        if self.client.status != "running":
            raise distributed.client.ClosedClientError("Client is closed.")


class Client:
    """A scheduler with one worker, whose tasks end one after the other as they are told to."""

    def __init__(self, *ends):
        self.status, self.ends, self.submitted = "running", list(ends), []

    def nthreads(self):
        return {"tcp://a:1": 4}

    def submit(self, task, *arguments, **_):
        self.submitted.append(arguments)
        return Future(self, **self.ends.pop(0))


class Clerk:
    """Has what is lost done once more."""

    def __init__(self):
        self.results, self.losses = [], 0

    def heard(self, order, worker, message):
        raise AssertionError

    def ended(self, order, worker, result):
        self.results.append(result)
        return ()

    def lost(self, order, worker):
        self.losses += 1
        return (SimpleNamespace(key=f"{order.key}+"),)

    def heartbeat(self):
        pass

    def waiting(self):
        raise AssertionError


def serve(client, clerk):
    mailbox = SimpleNamespace(take=list)
    desk = Desk(Workforce(client, local=False), mailbox, print, clerk)
    for _ in desk.serve([SimpleNamespace(key="one")]):
        pass


@pytest.mark.parametrize(
    "end",
    [
        {"fetching": TimeoutError("no answer")},
        {"fetching": CancelledError("lost")},
        {"error": StoppedError()},
        {"error": KILLED},
    ],
)
def test_what_a_lost_worker_had_is_done_once_more(end):
    clerk = Clerk()
    client = Client(end, {"result": "done"})
    serve(client, clerk)
    assert (clerk.losses, clerk.results) == (1, ["done"])
    assert [order.key for (order,) in client.submitted] == ["one", "one+"]


def test_an_error_of_a_task_ends_the_run():
    with pytest.raises(ZeroDivisionError):
        serve(Client({"error": ZeroDivisionError()}), Clerk())


@pytest.mark.parametrize("status", ["connecting", "closed"])
def test_a_scheduler_that_is_gone_is_told_whatever_dask_says(status):
    client = Client({"result": "done"})
    client.submit = lambda *_, **__: setattr(client, "status", status) or Future(client)

    class Going(Clerk):
        def ended(self, order, worker, result):
            return (order,)

    with pytest.raises(ClusterError, match="does not answer any more"):
        serve(client, Going())


@pytest.mark.parametrize(
    "failure",
    [
        KILLED,
        CancelledError("scheduler-connection-lost"),
        OSError("closed"),
    ],
)
def test_a_worker_that_gives_no_answer_is_an_error_of_ours(failure):
    with pytest.raises(ClusterError, match="gave no answer"):
        Workforce(Client({"fetching": failure}), local=False).ask(print)


def test_workers_of_a_scheduler_that_is_gone_are_not_counted():
    client = Client()
    client.status = "closed"
    with pytest.raises(ClusterError, match="does not answer any more"):
        Workforce(client, local=False).count()
