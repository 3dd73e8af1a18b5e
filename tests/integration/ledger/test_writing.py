"""The writer thread: groups share a commit, a raising function leaves nothing, nobody waits for ever."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest
from blockbuster import BlockBuster

from codencer.errors import Busy, Conflict, LedgerFailed, NotFound, StorageFailed
from codencer.ledger import Ledger, Queries, Transaction, verify
from codencer.ledger.chain import GENESIS_HASH
from codencer.model.event import Event, EventKind
from codencer.model.run import RunLabels

StartRun = Callable[[str], Callable[[Transaction], None]]
NO_LABELS = {"labels": RunLabels()}


class Held:
    """Keeps the writer thread inside a function until released, so that others queue up."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, tx: Transaction) -> str:
        self.reached.set()
        assert self.released.wait(20)
        return "held"

    async def hold(self, ledger: Ledger) -> "asyncio.Task[str]":
        task = asyncio.create_task(ledger.write(self))
        assert await asyncio.to_thread(self.reached.wait, 20)
        return task


async def settle(tasks: Sequence["asyncio.Task[None]"]) -> list[BaseException | None]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def queue_up(
    ledger: Ledger, functions: Sequence[Callable[[Transaction], None]]
) -> list["asyncio.Task[None]"]:
    """Start a write of each, and return once all are queued."""
    tasks = [asyncio.create_task(ledger.write(fn)) for fn in functions]
    await asyncio.sleep(0)  # One turn of the loop: each task runs up to its wait.
    return tasks


async def test_all_that_wait_share_one_commit(ledger: Ledger, start_run: StartRun) -> None:
    commits: list[list[str | None]] = []
    ledger.subscribe(lambda events: commits.append([event.run_id for event in events]))
    held = Held()
    first = await held.hold(ledger)
    names = [f"r{number}" for number in range(50)]
    tasks = await queue_up(ledger, [start_run(name) for name in names])
    held.released.set()
    assert await settle(tasks) == [None] * 50
    assert await first == "held"
    # Those that waited are together; some may have joined the held one before its deadline.
    assert len(commits) <= 2
    assert [run_id for commit in commits for run_id in commit] == names


async def test_a_raising_function_leaves_nothing_and_the_others_stay(
    ledger: Ledger, start_run: StartRun
) -> None:
    def half(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="half")
        assert tx.run("half") is not None
        raise KeyError("in the middle")

    held = Held()
    await held.hold(ledger)
    tasks = await queue_up(ledger, [start_run("a"), half, start_run("b"), half, start_run("c")])
    held.released.set()
    answers = await settle(tasks)
    assert [type(answer) for answer in answers] == [type(None), KeyError, type(None), KeyError, type(None)]
    assert [run.id for run in await ledger.read(Queries.runs)] == ["a", "b", "c"]
    report = verify(ledger.path)
    assert report.ok, report
    assert report.events == 3


async def test_swallowing_a_failed_append_does_not_commit_half_of_it(
    ledger: Ledger, start_run: StartRun
) -> None:
    def swallow(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="before")
        with pytest.raises(NotFound):
            tx.append(EventKind.RUN_ADVANCED, {"state": "running"}, run_id="nowhere")
        with pytest.raises(NotFound):
            tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="after")

    with pytest.raises(NotFound):
        await ledger.write(swallow)
    assert await ledger.read(Queries.head) == (0, GENESIS_HASH)
    await ledger.write(start_run("fine"))
    assert verify(ledger.path).ok


async def test_a_transaction_ends_with_its_function(ledger: Ledger) -> None:
    kept = await ledger.write(lambda tx: tx)
    with pytest.raises(LedgerFailed):
        kept.append(EventKind.RUN_CREATED, NO_LABELS, run_id="late")
    with pytest.raises(LedgerFailed):
        kept.run("late")


@pytest.mark.parametrize("problem", [StopIteration, SystemExit, GeneratorExit])
async def test_any_exception_is_an_answer_and_the_thread_lives(
    ledger: Ledger, start_run: StartRun, problem: type[BaseException]
) -> None:
    def leave(tx: Transaction) -> None:
        raise problem

    expected = RuntimeError if problem is StopIteration else problem
    answer = asyncio.wrap_future(ledger._writer.put(leave))
    await asyncio.wait([answer], timeout=20)
    assert isinstance(answer.exception(), expected)
    await ledger.write(start_run("fine"))


async def test_a_function_sees_its_own_writes_and_readers_only_committed_ones(
    ledger: Ledger, start_run: StartRun
) -> None:
    reached, released = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="new")
        assert tx.run("new") is not None
        assert tx.head()[0] == 1
        reached.set()
        assert released.wait(20)

    task = asyncio.create_task(ledger.write(slow))
    assert await asyncio.to_thread(reached.wait, 20)
    assert await ledger.read(lambda q: (q.run("new"), q.head()[0])) == (None, 0)
    released.set()
    await task
    assert (await ledger.read(Queries.head))[0] == 1


async def test_a_read_is_of_one_moment(ledger: Ledger, start_run: StartRun) -> None:
    reading, written = threading.Event(), threading.Event()

    def twice(q: Queries) -> tuple[int, int]:
        before = q.head()[0]
        reading.set()
        assert written.wait(20)
        return before, q.head()[0]

    task = asyncio.create_task(ledger.read(twice))
    assert await asyncio.to_thread(reading.wait, 20)
    await ledger.write(start_run("meanwhile"))
    written.set()
    assert await task == (0, 0)
    assert (await ledger.read(Queries.head))[0] == 1


async def test_a_reader_cannot_write(ledger: Ledger) -> None:
    def write(q: Queries) -> None:
        q._connection.execute("DELETE FROM head")

    with pytest.raises(apsw.ReadOnlyError):
        await ledger.read(write)


async def test_a_cancelled_write_that_waits_is_not_run(ledger: Ledger, start_run: StartRun) -> None:
    held = Held()
    await held.hold(ledger)
    unwanted, wanted = await queue_up(ledger, [start_run("unwanted"), start_run("wanted")])
    unwanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unwanted
    held.released.set()
    await wanted
    assert [run.id for run in await ledger.read(Queries.runs)] == ["wanted"]


async def test_a_full_queue_makes_writers_wait_and_then_refuses(tmp_path: Path, start_run: StartRun) -> None:
    ledger = Ledger.open(tmp_path / "codencer.db", capacity=2, patience=0.05)
    held = Held()
    first = await held.hold(ledger)
    (second,) = await queue_up(ledger, [start_run("second")])
    with pytest.raises(Busy):
        await ledger.write(start_run("refused"))
    (patient,) = await queue_up(ledger, [start_run("patient")])
    held.released.set()
    await asyncio.gather(first, second, patient)
    assert [run.id for run in await ledger.read(Queries.runs)] == ["second", "patient"]
    ledger.close()


async def test_a_failed_commit_fails_everybody_and_the_next_group_works(
    ledger: Ledger, start_run: StartRun
) -> None:
    woken: list[Sequence[Event]] = []
    ledger.subscribe(woken.append)
    ledger._writer._connection.set_commit_hook(lambda: True)
    held = Held()
    first = await held.hold(ledger)
    tasks = await queue_up(ledger, [start_run("a"), start_run("a"), start_run("b")])
    held.released.set()
    answers = await settle(tasks)
    with contextlib.suppress(LedgerFailed):  # It fails too if the others joined its group.
        await first
    assert [type(answer) for answer in answers] == [LedgerFailed] * 3, "also the duplicate of a lost one"
    assert len({id(answer) for answer in answers}) == 3, "each has an exception of its own"
    assert woken == []
    ledger._writer._connection.set_commit_hook(None)
    await ledger.write(start_run("a"))
    assert (await ledger.read(Queries.head))[0] == 1
    assert verify(ledger.path).ok


async def test_a_transaction_lost_in_the_middle_fails_the_whole_group(
    ledger: Ledger, start_run: StartRun
) -> None:
    def lose(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="lost")
        tx._connection.execute("ROLLBACK")
        raise OSError("what a disk that failed looks like")

    held = Held()
    first = await held.hold(ledger)
    tasks = await queue_up(ledger, [start_run("a"), lose])
    held.released.set()
    answers = await settle(tasks)
    with contextlib.suppress(StorageFailed):  # It fails too if the others joined its group.
        await first
    assert isinstance(answers[1], StorageFailed)
    await ledger.write(start_run("b"))
    survived = ["a", "b"] if answers[0] is None else ["b"]
    assert [run.id for run in await ledger.read(Queries.runs)] == survived
    assert verify(ledger.path).ok


async def test_after_the_transaction_is_lost_nothing_is_written_by_itself(ledger: Ledger) -> None:
    def go_on(tx: Transaction) -> None:
        tx._connection.execute("ROLLBACK")
        with pytest.raises(StorageFailed):
            tx.append(EventKind.RUN_CREATED, NO_LABELS, run_id="alone")

    with pytest.raises(LedgerFailed):
        await ledger.write(go_on)
    assert await ledger.read(Queries.head) == (0, GENESIS_HASH)


async def test_subscribers_get_every_event_once_and_in_order(
    ledger: Ledger, start_run: StartRun, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def broken(events: Sequence[Event]) -> None:
        raise ValueError("a subscriber's own fault")

    ledger.subscribe(broken)
    unsubscribe = ledger.subscribe(lambda events: seen.extend(event.seq for event in events))
    await asyncio.gather(*(ledger.write(start_run(f"r{number}")) for number in range(20)))
    with pytest.raises(Conflict):
        await ledger.write(start_run("r1"))
    assert seen == list(range(1, 21))
    assert "ledger_subscriber_failed" in caplog.text
    unsubscribe()
    unsubscribe()
    await ledger.write(start_run("unseen"))
    assert seen == list(range(1, 21))


async def test_close_commits_what_is_queued_and_refuses_the_rest(ledger: Ledger, start_run: StartRun) -> None:
    held = Held()
    await held.hold(ledger)
    tasks = await queue_up(ledger, [start_run(f"r{number}") for number in range(300)])
    closing = asyncio.create_task(asyncio.to_thread(ledger.close))
    held.released.set()
    await closing
    assert await settle(tasks) == [None] * 300
    ledger.close()
    with pytest.raises(LedgerFailed):
        await ledger.write(start_run("late"))
    with pytest.raises(LedgerFailed):
        await ledger.read(Queries.runs)
    assert [file.name for file in ledger.path.parent.iterdir()] == ["codencer.db"], "no log is left"
    again = Ledger.open(ledger.path)
    assert len(await again.read(Queries.runs)) == 300
    again.close()


async def test_nothing_blocks_the_event_loop(
    ledger: Ledger, start_run: StartRun, no_blocking: BlockBuster
) -> None:
    await asyncio.gather(*(ledger.write(start_run(f"r{number}")) for number in range(20)))
    assert len(await ledger.read(Queries.runs)) == 20


async def test_another_process_with_the_lock_is_reported(ledger: Ledger, start_run: StartRun) -> None:
    ledger._writer._connection.set_busy_timeout(10)
    other = apsw.Connection(str(ledger.path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerFailed, match="Another process"):
        await ledger.write(start_run("a"))
    other.execute("ROLLBACK")
    other.close()
    await ledger.write(start_run("a"))
