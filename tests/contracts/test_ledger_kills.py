"""Workers in real processes, killed with SIGKILL in the middle of their work: every result is written exactly once."""

import hashlib
import multiprocessing
import random
from contextlib import suppress
from multiprocessing.process import BaseProcess

import sqlalchemy as sa

from dicom_router.clock import Bell, SystemClock
from dicom_router.errors import FenceLost
from dicom_router.store.database import Database, open_database
from dicom_router.store.ledger import Ledger
from tests.factories import until

WORKS, WORKERS, KILLS = 90, 3, 8
LEASE_SECONDS = 1.0
RESULTS = sa.table("noted", sa.column("key", sa.Text), sa.column("node", sa.Text))


def work_until_killed(url: str, node: str) -> None:
    """Claim, compute for some milliseconds, write the result and finish in one commit; for ever."""
    database = open_database(url)
    ledger = Ledger(database, clock=SystemClock(), node=node, lease_seconds=LEASE_SECONDS)
    ledger.free_leases(forgive=False)
    while True:
        work = ledger.claim("read")
        if work is None:
            Bell().wait(0.05)
            continue
        hashlib.sha256(bytes(10_000_000)).digest()
        with suppress(FenceLost), database.write() as connection:  # lost when the machine was too busy for the lease
            connection.execute(sa.insert(RESULTS).values(key=work.key, node=node))
            ledger.finish(connection, work)


def start_worker(url: str, node: str) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    worker = context.Process(target=work_until_killed, args=(url, node), daemon=True)
    worker.start()
    return worker


def results(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(RESULTS.c.key)))


def test_killed_workers_lose_no_work_and_double_none(database: Database, database_url: str) -> None:
    ledger = Ledger(database, clock=SystemClock(), node="test")
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE noted (key TEXT NOT NULL, node TEXT NOT NULL)"))
        for number in range(WORKS):
            ledger.enqueue(connection, kind="read", key=str(number))
    choice = random.Random(15)
    nodes = [f"station-{number}/reader" for number in range(WORKERS)]
    workers = [start_worker(database_url, node) for node in nodes]
    try:
        for kill in range(KILLS):
            enough = (kill + 1) * WORKS // (KILLS + 2)
            until(lambda enough=enough: len(results(database)) >= enough)  # type: ignore[misc]
            victim = choice.randrange(WORKERS)
            workers[victim].kill()
            workers[victim].join()
            if kill % 2:  # every other node never comes back: its lease must run out
                nodes[victim] = f"substitute-{kill}/reader"
            workers[victim] = start_worker(database_url, nodes[victim])
        until(lambda: ledger.unfinished("read") == 0)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert sorted(results(database), key=int) == [str(number) for number in range(WORKS)]
