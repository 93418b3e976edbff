"""Country codes and what the rules know of the European Union: lists that outlive any registry file."""

from contracts.countries import COUNTRIES, ISO_3166

__all__ = ["COUNTRIES", "EU", "EU_LANGUAGES", "EU_TLDS", "ISO_3166", "eu_language"]

EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)
"""Member states of the European Union."""

EU_TLDS = frozenset(code.lower() for code in EU)
"""Their country-code top-level domains (Greece registers under ``gr``)."""

EU_LANGUAGES = {
    "bg": {"BG"},
    "cs": {"CZ"},
    "da": {"DK"},
    "de": {"DE", "AT", "BE", "LU"},
    "el": {"GR", "CY"},
    "es": {"ES"},
    "et": {"EE"},
    "fi": {"FI"},
    "fr": {"FR", "BE", "LU"},
    "ga": {"IE"},
    "hr": {"HR"},
    "hu": {"HU"},
    "it": {"IT"},
    "lt": {"LT"},
    "lv": {"LV"},
    "mt": {"MT"},
    "nl": {"NL", "BE"},
    "pl": {"PL"},
    "pt": {"PT"},
    "ro": {"RO"},
    "sk": {"SK"},
    "sl": {"SI"},
    "sv": {"SE", "FI"},
}
"""Official EU languages other than English, with the states whose own they are (R21)."""


def eu_language(language: str | None, home: str) -> bool:
    """Tell whether *language* points to an EU state other than *home* (an EU language, not English, not home's own)."""
    primary = (language or "").strip().lower().replace("_", "-").partition("-")[0]
    return primary in EU_LANGUAGES and home not in EU_LANGUAGES[primary]
