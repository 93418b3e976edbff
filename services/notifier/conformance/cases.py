"""
The cases of the kit, as data: what is sent, what must come back, and what to do where it does not.

Every document says ``is_test: true`` and stands for nothing.
"""

from contracts.vocabulary import Action
from services.notifier.conformance.case import Call, Case, Doc, Sign, Want

HOUR_S = 3600
LARGE_BYTES = 1024 * 1024
"""What a receiver must be ready for: no referral is larger."""


def _refused(name: str, *signs: Sign) -> tuple[Call, ...]:
    return tuple(Call(Doc(f"{name}-{sign}"), Want.REFUSED, sign) for sign in signs)


FIRST = Case(
    "valid_referral",
    "A referral is answered 2xx within the time-out; the answer may be a receipt/1.",
    "Answer 2xx once it is stored, with a receipt/1 (acknowledged, and your case number) or with nothing.",
    (Call(Doc("first")),),
)

SIGNATURES = (
    Case(
        "bad_signature",
        "A signature that does not hold is refused: random bytes, another body, id, time or key, an empty list.",
        "Hold the signature against id.timestamp.body, the bytes as they came, before anything else; answer 401.",
        _refused("bad", Sign.RANDOM, Sign.OTHER_BODY, Sign.OTHER_ID, Sign.OTHER_TIME, Sign.STRANGER, Sign.NOTHING),
    ),
    Case(
        "stranger_v1a",
        "A v1a signature of another key than the mesh's is refused.",
        "Verify v1a with the public key from onboarding; where you use v1 only, pass over v1a and refuse.",
        _refused("stranger", Sign.STRANGER_V1A),
    ),
    Case(
        "swapped_schemes",
        "A v1 that holds the bytes of a v1a is refused, and the other way round.",
        "Choose the key by the scheme before the comma, and never try the other one.",
        _refused("swapped", Sign.V1_HOLDS_V1A, Sign.V1A_HOLDS_V1),
    ),
    Case(
        "missing_headers",
        "A call without webhook-id, webhook-timestamp or webhook-signature is refused.",
        "Answer 400 where one of the three headers is missing.",
        tuple(Call(Doc(f"no-{n}"), Want.REFUSED, without=f"webhook-{n}") for n in ("id", "timestamp", "signature")),
    ),
    Case(
        "several_signatures",
        "One valid signature among up to 16 is enough: two keys overlap while the mesh changes its key.",
        "Split webhook-signature at blanks, accept where any one holds, and pass over schemes that you do not know.",
        (Call(Doc("among"), sign=Sign.GOOD_AMONG_OTHERS), Call(Doc("sixteen"), sign=Sign.GOOD_LAST_OF_SIXTEEN)),
    ),
    Case(
        "thousand_signatures",
        "A list of 1,000 signatures is refused, even where the last one holds.",
        "Refuse a list of more than 16 before you check its first: nobody may make you work.",
        _refused("thousand", Sign.GOOD_LAST_OF_THOUSAND),
    ),
)

TIMES = (
    Case(
        "stale_timestamp",
        "A call signed 6 minutes ago is refused.",
        "Refuse where webhook-timestamp is more than 5 minutes from your clock; keep your clock by NTP.",
        (Call(Doc("stale"), Want.REFUSED, age_s=360),),
    ),
    Case(
        "future_timestamp",
        "A call signed 6 minutes ahead is refused.",
        "Refuse where webhook-timestamp is more than 5 minutes from your clock, in either direction.",
        (Call(Doc("future"), Want.REFUSED, age_s=-360),),
    ),
    Case(
        "replay_after_hours",
        "A call that was good 6 hours ago is refused when it comes again as it was, though its id is known.",
        "Check signature and time before you look whether the id is known.",
        (Call(Doc("replayed")), Call(Doc("replayed"), Want.REFUSED, age_s=6 * HOUR_S)),
    ),
)

REPEATS = (
    Case(
        "same_again",
        "The same referral again, signed anew, is accepted and has no second effect.",
        "Keep an inbox with webhook-id as its key, and answer a repeat 2xx with the case number of the first time.",
        (Call(Doc("again")),) * 3,
        same=True,
    ),
    Case(
        "at_the_same_time",
        "The same referral four times at once has one effect.",
        "Let the database decide who is first (a unique key on webhook-id), not a look before the insert.",
        (Call(Doc("beside")),) * 4,
        same=True,
        beside=True,
    ),
    Case(
        "other_body_same_id",
        "The same id with another body is refused, and the first one stands.",
        "Keep a digest of the body with the id; where it differs answer 409, tell a person, and change nothing.",
        (Call(Doc("fixed")), Call(Doc("fixed", text="another text"), Want.REFUSED), Call(Doc("fixed"))),
        same=True,
    ),
)

DOCUMENTS = (
    Case(
        "unknown_fields",
        "Fields that you do not know are passed over: referral/1 grows.",
        "Read the fields that you need and pass over all others; no additionalProperties: false.",
        (Call(Doc("grown", unknown=True)),),
    ),
    Case(
        "update",
        "The action update is accepted: it replaces an earlier referral.",
        "File it with the case of the referral that `replaces` names, and answer with a case number.",
        (Call(Doc("before")), Call(Doc("after", Action.UPDATE, replaces="before"))),
    ),
    Case(
        "withdrawn",
        "The action withdrawn is accepted: the sender takes an earlier referral back.",
        "Mark the case of the referral that `replaces` names; the document holds no content by design.",
        (Call(Doc("sent")), Call(Doc("taken-back", Action.WITHDRAWN, replaces="sent"))),
    ),
    Case(
        "sightings",
        "The action sightings is accepted: the same target was reported again.",
        "Note `sightings` in the case of the referral that `replaces` names; nothing else is asked of you.",
        (Call(Doc("seen")), Call(Doc("seen-again", Action.SIGHTINGS, replaces="seen"))),
    ),
    Case(
        "update_of_unknown",
        "An update of a referral that you never had is accepted: the earlier one may not have reached you.",
        "Take an update whose `replaces` you do not know as a new referral.",
        (Call(Doc("orphan", Action.UPDATE, replaces="never-sent")),),
    ),
)

WAYS = (
    Case(
        "large_body",
        "A referral of 1 MiB is accepted.",
        "Raise the limit for bodies of your server, and of the proxy before it (nginx: client_max_body_size 2m).",
        (Call(Doc("large", size=LARGE_BYTES)),),
    ),
    Case(
        "slow_body",
        "A body that comes in eight pieces is accepted.",
        "Read until Content-Length bytes are there, however many pieces they come in.",
        (Call(Doc("slow", size=16 * 1024), pieces=8),),
    ),
    Case(
        "header_case",
        "Webhook-Id is webhook-id: names of headers have no case.",
        "Look headers up without regard to case.",
        (Call(Doc("titled"), title_case=True),),
    ),
    Case(
        "refused_then_good",
        "After a refused call the next one on the same connection is taken.",
        "Read the whole body before you answer, or close the connection with the refusal.",
        (Call(Doc("kept-bad", size=4096), Want.REFUSED, Sign.RANDOM), Call(Doc("kept-good"))),
        kept=True,
    ),
)

FEED = (
    Case(
        "feed_gap_taken",
        "A feed number that jumps is accepted: referrals may overtake each other, and none is lost for a gap.",
        "Never refuse for a gap: take the referral, and note which numbers are missing.",
        tuple(Call(Doc(f"feed-{n}", feed=n, previous=f"feed-{n - 1}" if n > 1 else None)) for n in (1, 2, 4, 3)),
    ),
    Case(
        "feed_gap_reported",
        "The answer's vidare-feed-expected is the first feed number that you do not have.",
        "Answer with the header vidare-feed-expected, so that withholding shows on both sides.",
        tuple(
            Call(Doc(f"feed-{n}", feed=n, previous=f"feed-{n - 1}"), expected=expected)
            for n, expected in ((5, 6), (6, 7), (8, 7), (7, 9))
        ),
        required=False,
    ),
    Case(
        "feed_skipped",
        "A number that a later document names in feed.skipped is not missing: it was taken back before it was sent.",
        "Count the numbers in feed.skipped as if you had them; each comes with its digest, so the chain holds.",
        (Call(Doc("feed-10", feed=10, previous="feed-9", skipped="feed-9"), expected=11),),
        required=False,
    ),
    Case(
        "feed_chain_reported",
        "The answer's vidare-feed-broken is the number of a document that does not follow from the one before it.",
        "Hold feed.previous against the SHA-256 of the document before; answer vidare-feed-broken where they differ.",
        (
            Call(Doc("feed-11", feed=11, previous="feed-10"), expected=12),
            Call(Doc("feed-12", feed=12, previous="no such document"), broken=12),
        ),
        required=False,
    ),
)

CASES = (FIRST, *SIGNATURES, *TIMES, *REPEATS, *DOCUMENTS, *WAYS, *FEED)
