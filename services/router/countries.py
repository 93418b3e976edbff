"""Country codes and what the rules know of the European Union: lists that outlive any registry file."""

ISO_3166 = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - 249 quoted codes are no table
)
"""ISO 3166-1 alpha-2, all 249."""

COUNTRIES = ISO_3166 | {"XK"}
"""What a registry must have a row for: Kosovo has a code by custom only."""

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
