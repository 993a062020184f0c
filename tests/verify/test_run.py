"""A run on a deployment that will not have it, without one."""

from pathlib import Path

import pytest

from destinations.verify.load import Load
from destinations.verify.run import Options, verify
from destinations.verify.site import Away, Terms, Unusable


class Stubborn:
    """Takes no events, and lets nothing be removed."""

    def __init__(self, why: Exception) -> None:
        self.urls = ["http://127.0.0.1:9"]
        self._why = why

    def set_up(self, name: str, sink_url: str) -> str:
        return f"{name} {sink_url}"

    def terms(self) -> Terms:
        raise Away("not now")

    def trouble(self) -> list[str]:
        return ["it is stubborn"]

    def clean_up(self) -> None:
        raise self._why


def test_what_cannot_be_removed_is_told_and_costs_nobody_the_report() -> None:
    options = Options(Load(events=1, seconds=None), patience_seconds=0.2)

    for why, told in ((Unusable("403: no"), "403: no"), (Away("not now"), "the deployment does not answer")):
        report = verify(options, Stubborn(why))
        assert (report.accepted, report.unknown) == (0, 1)
        assert report.remarks == ["it is stubborn", f"{report.run} is left behind: {told}"]


@pytest.mark.parametrize(
    "line", ["no", "[1]", '{"kind": "arrived"}', '{"at": "x", "message_id": "", "status": 1, "final": 1}']
)
def test_a_sinks_log_that_is_none_is_told(tmp_path: Path, line: str) -> None:
    log = tmp_path / "arrivals"
    log.touch()

    class Elsewhere(Stubborn):
        def set_up(self, name: str, sink_url: str) -> str:
            log.write_text(f"{line}\n")
            return super().set_up(name, sink_url)

    options = Options(Load(events=1, seconds=None), patience_seconds=0.2, sink_url="http://x", sink_log=log)
    with pytest.raises(Unusable, match="a line of the sink's log is no arrival"):
        verify(options, Elsewhere(Unusable("no")))
