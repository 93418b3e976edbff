"""The pages behind a mail's link, as bytes; pure. No script, nothing from elsewhere, nothing of the tip."""

import base64
from hashlib import sha256
from html import escape
from uuid import UUID

from contracts.vocabulary import Nack, ReceiptOutcome, ReceiptStatus

STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;"
    "background:#fff}h1{font-size:1.4rem}code{overflow-wrap:anywhere}fieldset{border:1px solid #8c959f;"
    "border-radius:.4rem;margin:1rem 0;padding:.6rem 1rem}label{display:block;margin:.4rem 0}"
    "input[type=text],select,textarea{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}"
    "button{font:inherit;padding:.5rem 1.2rem}.no{border-left:.3rem solid #b42318;padding-left:.8rem}"
)
_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
"""Of every page: nothing is kept, nothing is loaded, and the address is told to nobody."""

CHOICES = (
    (ReceiptStatus.ACKNOWLEDGED, "We have taken it on; this is our case number"),
    (ReceiptStatus.ACTIONED, "We have acted on it"),
    (ReceiptStatus.NACK, "We cannot take it"),
    (ReceiptStatus.QUESTION, "We have a question to the sender"),
    (ReceiptStatus.ACTIVE_INVESTIGATION, "We are investigating: nothing may be taken down for now"),
)
"""What the form offers; whatever else an agency may answer goes by the other ways."""

NACKS = {
    Nack.NOT_OURS: "it is not for us",
    Nack.OVERLOAD: "we have no room for it now",
    Nack.MALFORMED: "we cannot read it",
    Nack.LEGAL: "the law does not let us",
}

OUTCOMES = {
    ReceiptOutcome.CONTENT_REMOVED: "the content is removed",
    ReceiptOutcome.CONTENT_UNAVAILABLE: "the content could not be reached",
    ReceiptOutcome.MOVED: "the content is in another country now",
    ReceiptOutcome.REPORTED_LEA: "passed on to the police",
    ReceiptOutcome.REPORTED_ISP: "passed on to the provider",
    ReceiptOutcome.NOT_ILLEGAL: "not illegal here",
    ReceiptOutcome.DUPLICATE: "we know of it already",
}

NEEDED = {
    "missing_reference": "An acknowledgement needs your case number.",
    "missing_nack": "Say why you cannot take it.",
    "missing_text": "A question needs its text.",
    "missing_moved_to": "Say in which country the content is now.",
    "too_large": "That is too long.",
}


def form(referral: UUID, *, refused: str | None = None) -> bytes:
    """The form to answer *referral* with; *refused* is why the last answer was not taken."""
    sentence = NEEDED.get(refused, "Something in it is not as it must be.") if refused else ""
    complaint = f'<p class="no" role="alert">Nothing was recorded. {escape(sentence)}</p>' if refused else ""
    choices = "".join(
        f'<label><input type="radio" name="status" value="{status.value}" required> {escape(text)}</label>'
        for status, text in CHOICES
    )
    return _page(
        "Answer a referral",
        f"<p>Referral <code>{referral}</code></p>{complaint}"
        f'<form method="post" accept-charset="utf-8" autocomplete="off"><fieldset><legend>Your answer</legend>{choices}'
        '</fieldset><label>Your case number <input type="text" name="reference" maxlength="200"></label>'
        f"{_select('outcome', 'If you have acted: what came of it', OUTCOMES)}"
        '<label>If it has moved: country, two letters (NL) <input type="text" name="moved_to" maxlength="2"></label>'
        f"{_select('nack', 'If you cannot take it: why', NACKS)}"
        '<label>If you have a question <textarea name="text" rows="5" maxlength="20000"></textarea></label>'
        '<p><button type="submit">Send</button></p></form>',
    )


def answered(referral: UUID, status: ReceiptStatus) -> bytes:
    """The answer is recorded."""
    said = next(text for each, text in CHOICES if each is status)
    return _page(
        "Recorded",
        f"<p>Referral <code>{referral}</code></p><p>Your answer is recorded: {escape(said)}.</p>"
        "<p>You may close this page. The link works again for a later answer.</p>",
    )


def unknown() -> bytes:
    """Of every link that is none: forged, too old, changed, or somebody else's."""
    return _page(
        "No such page",
        "<p>There is nothing here. If the link came in a mail of ours, it may be too old, or your mail program may "
        "have cut it: the next reminder brings a new one.</p>",
    )


def later() -> bytes:
    """Nothing could be recorded now."""
    return _page(
        "Not recorded", '<p class="no" role="alert">Nothing was recorded. Please send it again in a minute.</p>'
    )


def _select(name: str, text: str, words: dict[Nack, str] | dict[ReceiptOutcome, str]) -> str:
    options = "".join(f'<option value="{value.value}">{escape(said)}</option>' for value, said in words.items())
    return f'<label>{escape(text)} <select name="{name}"><option value="">-</option>{options}</select></label>'


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main>"
        "</body></html>"
    ).encode()
