"""Keys that are legal in S3 and that careless clients change, drop or refuse."""

# Keys that XML 1.0 can carry, if only as character references.
XML_KEYS = (
    "data++1",
    "☃☃👪",
    "a//b",
    "/lead",
    "//two",
    "slash///",
    "dir/",
    "dir2/",
    "no\u00a0break",
    "direction\u200emark",
    "narrow\u202fspace",
    "tab\there",
    "new\nline",
    "carriage\rreturn",
    "both\r\nends",
    " leading and trailing ",
    "../up",
    "x/../y",
    "..",
    ".",
    "./z",
    "a/./b",
    "trail/.",
    "a%20b",
    "%2F",
    "%",
    "a b",
    "a+b",
    "u\u0308",
    "\u00fc",
    "\U0001f600",
    "query?x=1&y",
    "#hash",
    "a=b;c,d:e@f",
    "back\\slash",
    "<&>\"'",
    "]]>",
    "~tilde",
    "*star",
    "\x7fdelete",
    "\u0085next\u2028line",
)

# Keys that XML 1.0 can't carry in any form.
CONTROL_KEYS = ("control\x01", "\x1besc", "not a character \uffff")

ODD_KEYS = XML_KEYS + CONTROL_KEYS
