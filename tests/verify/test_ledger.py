"""The file: appended by several, read while it grows, readable after a kill."""

import multiprocessing
from pathlib import Path

from destinations.verify.ledger import Kind, Reader, Writer, read


def _write(path: Path, process: int) -> None:
    writer = Writer(path)
    for number in range(500):
        writer.note(Kind.SENT, events=[(process, number)])
    writer.close()


def test_lines_of_several_processes_stay_whole_and_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    processes = [multiprocessing.get_context("spawn").Process(target=_write, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    numbers: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for record in read(path):
        ((process_number, number),) = record["events"]
        numbers[process_number].append(number)
    assert numbers == {n: list(range(500)) for n in range(3)}


def test_a_reader_begins_at_the_end_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    writer = Writer(path)
    writer.note(Kind.SENT, events=[(0, 0)])
    reader = Reader(path)
    writer.note(Kind.SENT, events=[(0, 1)])
    with path.open("ab") as file:
        file.write(b'{"kind": "acc')
        file.flush()
        assert [record["events"] for record in reader.more()] == [[[0, 1]]]
        file.write(b'epted"}\n')
    assert [record["kind"] for record in reader.more()] == ["accepted"]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    Writer(path).note(Kind.SENT, events=[(0, 0)])
    with path.open("ab") as file:
        file.write(b'{"kind": "acc')

    assert [record["kind"] for record in read(path)] == ["sent"]


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    Writer(tmp_path / "ledger").close()

    assert (tmp_path / "ledger").stat().st_mode & 0o777 == 0o600
