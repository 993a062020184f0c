"""One role's containers end as often as they are started: what the other roles do meanwhile, and how it is got over.

`kubelet.yaml` has them crash, as the image of a new release or by a mark on pods that run.
"""

from collections import Counter

from drills.kube import release, seen
from drills.kube.rollouts import replace
from drills.kube.view import SOON, View

CRASHES = "forward"  # the role
BROKEN = "broken"  # the tag of an image with which it does
UNSTEADY = "unsteady"  # of one with which it works for some seconds first, each time
OFTEN = 3  # times that it has done so when it is judged
MARK = "crashes"  # the annotation of a pod that does from now on
DEADLINE = 30  # seconds without progress; Kubernetes' own 600 are longer than anybody watches a drill
TOLD = 120.0  # until that has been told
WATCHED = 30.0


def broken_release(view: View) -> None:
    """One whose forwarding worker crashes goes in, and is rolled back: the old workers go on all the while."""
    timeline, before, kept = view.timeline, seen.images(view.pods()), _names(view, forwarding=True)
    timeline.begin("`helm upgrade` to an image whose forwarding worker crashes")
    promised, low = view.promised(), _go_in(view, BROKEN, before)
    low = seen.least(low, view.lowest(lambda: _is_stuck(view), TOLD))
    _expect_told(view)
    timeline.expect(len(seen.crashing(view.pods())) == 1, *_crashes(view))
    _expect_as_before(view, kept, seen.dipped(low, promised))
    _expect_whole(view)
    _go_back(view, before, kept)


def unsteady_release(view: View) -> None:
    """The same, where its worker is ready for some seconds before it crashes, which must not do for a successor."""
    timeline, before, kept = view.timeline, seen.images(view.pods()), _names(view, forwarding=True)
    timeline.begin("`helm upgrade` to an image whose forwarding worker is ready for 5 s, then crashes")
    promised, low = view.promised(), _go_in(view, UNSTEADY, before)
    low = seen.least(low, view.lowest(lambda: _works(view, UNSTEADY), TOLD))
    timeline.expect(_works(view, UNSTEADY), "a forwarding pod of the new image is ready", "none is")
    low = seen.least(low, view.lowest(lambda: seen.crashing(view.pods()) and _endings(view) >= OFTEN, TOLD))
    timeline.expect(len(seen.crashing(view.pods())) == 1, *_crashes(view))
    _expect_whole(view)
    _expect_as_before(view, kept, seen.dipped(low, promised))
    told = "is told as stuck" if _is_stuck(view) else "is not told as stuck: to be ready now and then is progress"
    timeline.saw(f"forward {told}")
    _go_back(view, before, kept)


def crash_loop(view: View) -> None:
    """All forwarding workers, which were well, begin to crash: nobody else is touched, and no drain is held up."""
    timeline, api = view.timeline, view.plane.api
    timeline.begin("all forwarding workers begin to crash")
    others, forwarding = _names(view, forwarding=False), _names(view, forwarding=True)
    for pod in forwarding:
        api.change("pods", pod, {"metadata": {"annotations": {MARK: "true"}}})
    timeline.wait("none of them works", lambda: _names(view, forwarding=True), SOON)
    low = view.lowest(lambda: False, WATCHED)
    promised = {one: count for one, count in view.promised().items() if one != CRASHES}
    dipped = seen.dipped(low, promised)
    timeline.expect(
        not dipped, f"for {WATCHED:.0f} s all other roles, and web's Service, were whole", ", ".join(dipped)
    )
    _expect_kept(view, others, "no pod of theirs was replaced")
    timeline.expect(set(seen.crashing(view.pods())) == forwarding, *_crashes(view))
    available = seen.condition(release.deployments(view.plane)[CRASHES], "Available").get("status")
    timeline.expect(available == "False", "forward is told as unavailable", f"available: {available}")
    stayed = [pod for pod in sorted(forwarding) if not api.evict(pod)]
    timeline.expect(not stayed, "a drain may evict all of them: the budget keeps none that crashes", ", ".join(stayed))
    timeline.wait("their successors are ready", view.not_whole, SOON)
    view.expect_spread()


def _go_in(view: View, tag: str, before: dict[str, set[str]]) -> Counter[str]:
    """Until all other roles are of that release. The fewest of each that worked meanwhile."""
    timeline, plane, jobs = view.timeline, view.plane, _jobs(view)
    release.set_deadline(plane, CRASHES, DEADLINE)
    process = release.upgrade(plane, [*view.options, "--set", f"image.tag={tag}"])
    low = view.lowest(lambda: process.poll() is not None and not set(release.rolling(plane)) - {CRASHES}, TOLD)
    timeline.expect(
        process.returncode == 0, "helm is done, without a word of it", f"its exit code is {process.returncode}"
    )
    timeline.expect(_jobs(view) == jobs + 1, "the migration ran, of the new image", f"{_jobs(view) - jobs} Jobs did")
    others = {one for one, images in before.items() if images == before[CRASHES]} - {CRASHES}
    tags = seen.tags(view.pods())
    new = {one for one, found in tags.items() if found == {tag}}
    timeline.expect(new == others, f"of the new image are all of {', '.join(sorted(others))}", str(tags))
    return low


def _go_back(view: View, before: dict[str, set[str]], kept: set[str]) -> None:
    """By helm, and nothing is left of the broken release."""
    view.timeline.begin("`helm rollback`")
    jobs = _jobs(view)
    replace(view, release.rollback(view.plane), "helm")
    after = seen.images(view.pods())
    view.timeline.expect(after == before, "all are of the image of before", str(after))
    _expect_kept(view, kept, "the forwarding pods are those of before the upgrade")
    view.timeline.expect(_jobs(view) == jobs, "no migration ran", "a Job did")
    view.timeline.expect(not _is_stuck(view), "forward is not told as stuck", "it still is")
    release.set_deadline(view.plane, CRASHES, None)
    view.expect_spread()


def _expect_as_before(view: View, kept: set[str], dipped: list[str]) -> None:
    _expect_kept(view, kept, "the forwarding pods of before work on")
    words = "meanwhile as many as ever were ready, also behind web's Service"
    view.timeline.expect(not dipped, words, ", ".join(dipped))


def _expect_told(view: View) -> None:
    """By the API, and in the words of what an operator asks."""
    view.timeline.expect(_is_stuck(view), f"forward is told as stuck, after {DEADLINE} s without progress", "it is not")
    words = ("rollout", "status", f"deployment/rudderproj-{CRASHES}", "--timeout=10s")
    code = view.plane.start("kubectl", *words).wait()
    log = (view.plane.folder / "kubectl-rollout.log").read_text()
    view.timeline.expect("exceeded its progress deadline" in log, "`kubectl rollout status` says so", f"code {code}")


def _crashes(view: View) -> tuple[str, str]:
    """What is said of them, and what if they should be others."""
    found = seen.crashing(view.pods())
    return f"{len(found)} in CrashLoopBackOff, started {max(found.values(), default=0)} times", ", ".join(sorted(found))


def _expect_kept(view: View, pods: set[str], words: str) -> None:
    lost = pods - set(map(seen.name, filter(seen.is_there, view.pods())))
    view.timeline.expect(not lost, words, f"gone: {', '.join(sorted(lost))}")


def _expect_whole(view: View) -> None:
    lacks = view.not_whole()
    view.timeline.expect(not lacks, "all roles are whole", str(lacks))
    view.expect_spread()


def _names(view: View, forwarding: bool) -> set[str]:
    """The working pods of the role that crashes, or of all others."""
    found = filter(seen.is_there, view.pods())
    return {seen.name(pod) for pod in found if (seen.role(pod) == CRASHES) == forwarding}


def _works(view: View, tag: str) -> bool:
    """Whether a forwarding pod of that release does."""
    return tag in seen.tags(view.pods()).get(CRASHES, ())


def _endings(view: View) -> int:
    return max(seen.endings(view.pods()).values(), default=0)


def _is_stuck(view: View) -> bool:
    return seen.is_stuck(release.deployments(view.plane)[CRASHES])


def _jobs(view: View) -> int:
    return seen.jobs(view.plane.api.items("events"))
