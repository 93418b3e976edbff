"""Who works which task."""

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.broker.assignment import Claim, share_out
from services.chassis.broker.kafka_membership import TaskAssignor, claim_of
from services.chassis.hop import TaskSpec

TASKS = [str(n) for n in range(12)]
CLAIMS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.builds(Claim, st.frozensets(st.sampled_from([*TASKS, "gone"])), st.integers(-1, 5)),
    min_size=1,
    max_size=15,
)


@given(CLAIMS)
def test_every_task_has_one_member_and_sizes_are_balanced(claims: dict[str, Claim]) -> None:
    """Whatever members claim, each task goes to exactly one, and sizes differ by at most one."""
    shares = share_out(TASKS, claims)
    sizes = [len(share) for share in shares.values()]

    assert sorted(task for share in shares.values() for task in share) == sorted(TASKS)
    assert shares.keys() == claims.keys()
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 12))
def test_nothing_moves_when_nobody_came_or_went(members: int) -> None:
    """A balanced assignment is kept as it is."""
    first = share_out(TASKS, {f"m{n}": Claim(frozenset()) for n in range(members)})
    again = share_out(TASKS, {member: Claim(share, 1) for member, share in first.items()})

    assert again == first


def test_a_join_moves_only_what_balance_needs() -> None:
    """Two members with six each, a third joins: four tasks move, no more."""
    before = share_out(TASKS, {"a": Claim(frozenset()), "b": Claim(frozenset())})
    after = share_out(TASKS, {**{m: Claim(s, 1) for m, s in before.items()}, "c": Claim(frozenset())})

    assert len(after["c"]) == 4
    assert after["a"] < before["a"]
    assert after["b"] < before["b"]


def test_the_later_generation_is_believed() -> None:
    """Of two members that claim the same task the one that got it later keeps it."""
    shares = share_out(["x", "y"], {"old": Claim(frozenset({"x", "y"}), 1), "new": Claim(frozenset({"x"}), 2)})

    assert shares == {"old": frozenset({"y"}), "new": frozenset({"x"})}


def test_all_partitions_of_a_task_go_to_one_member() -> None:
    """Both lanes of a task, and all inboxes of a partner, stay together."""
    specs = [TaskSpec(p, ((f"in-{p}", 0, False), (f"in-{p}-urgent", 0, True))) for p in ("a", "b", "c")]
    assignor = TaskAssignor(specs)
    members = {name: assignor.metadata(["any"]) for name in ("m1", "m2")}

    for assigned in assignor.assign(None, members).values():
        topics = {tp.topic.removesuffix("-urgent") for tp in assigned.partitions()}
        assert len(assigned.partitions()) == 2 * len(topics)


def test_a_member_remembers_what_it_was_given() -> None:
    """Tasks and generation travel from the leader to the member and back in its next claim."""
    assignor = TaskAssignor([TaskSpec("a", (("in", 0, False),))])
    assignor.on_assignment(assignor.assign(None, {"m": assignor.metadata(["in"])})["m"])

    assert assignor.tasks == {"a"}
    assert claim_of(assignor.metadata(["in"]).user_data) == Claim(frozenset({"a"}), 0)


@given(st.one_of(st.none(), st.binary()))
def test_an_unreadable_claim_claims_nothing(data: bytes | None) -> None:
    """Metadata of a stranger in the group never breaks the leader."""
    assert claim_of(data) == Claim(frozenset())
