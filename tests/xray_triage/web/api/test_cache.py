"""Answers kept until the next commit."""

from collections.abc import Iterator

from dicom_router.store.database import open_database
from tests.xray_triage.desk import TestDesk, reading
from xray_triage.web.api.cache import MOST_ANSWERS, ResponseCache


def answers() -> Iterator[bytes]:
    return (str(number).encode() for number in range(10_000))


def test_an_answer_is_made_once_per_version_and_question() -> None:
    version, made = [1], answers()
    memory = ResponseCache(lambda: version[0])

    def ask(question: str) -> bytes:
        return memory.answer(question, lambda: next(made))

    assert [ask("a"), ask("a"), ask("b"), ask("a")] == [b"0", b"0", b"1", b"0"]
    version[0] = 2
    assert [ask("a"), ask("b"), ask("a")] == [b"2", b"3", b"2"]


def test_many_different_questions_do_not_fill_the_memory() -> None:
    memory = ResponseCache(lambda: 1)
    for number in range(10 * MOST_ANSWERS):
        memory.answer(number, lambda: b"")
    assert len(memory._answers) <= MOST_ANSWERS


def test_every_commit_gives_another_version_and_nothing_else_does(desk: TestDesk) -> None:
    desk.add(reading())
    before = desk.casebook.version()
    desk.casebook.cases()
    assert desk.casebook.version() == before
    with desk.database.write() as connection:
        connection.exec_driver_sql("UPDATE work SET rank = rank")
    assert desk.casebook.version() != before


def test_a_commit_of_another_process_is_noticed(sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    other = open_database(str(sqlite_desk.database.engine.url))
    before = sqlite_desk.casebook.version()
    with other.write() as connection:
        connection.exec_driver_sql("UPDATE work SET rank = rank")
    other.close()
    assert sqlite_desk.casebook.version() != before
