"""Fifty names as somebody would write them who means harm."""

PATHS = (
    *("../../evil", "..", ".", "/etc/passwd", "a/../../evil", "..\\..\\evil", "C:\\evil"),
    *("~/.profile", "$HOME/evil", "file:///etc/passwd", "con", "evil\0.png", "n" * 300),
)
SHELL = (
    *("$(touch pwned)", "`touch pwned`", "; touch pwned", "| touch pwned", "&& touch pwned"),
    *("-rf", "--output=evil", "${IFS}", "%s%n%x", "{0.__class__}"),
)
TERMINAL = (
    *("\x1b[31mred", "\x1b]0;title\x07", "\x1b]8;;http://evil\x07link\x1b]8;;\x07", "\x1bc"),
    *("\x9b2J", "\x90q\x9c", "line\x85line", "\r\nerror: all is lost", "\b\b\bshort"),
    *("\u202egpj.exe", "\u2066a\u2069", "\u200bhidden", "\ufeffmark", "a\u2028b", "\udcff\ud800"),
)
FORMULAS = (
    *("=1+1", "=cmd|'/C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "＝1+1"),
    '=HYPERLINK("http://evil","x")',
)
MARKUP = (
    *("<script>alert(1)</script>", '"><svg onload=alert(1)>', "' onmouseover='alert(1)"),
    *("]]><evil/>", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", "&e;"),
    *("{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "[link=http://evil]x[/link]"),
    *("javascript:alert(1)", "$\\input{/etc/passwd}$"),
)

NAMES = (*PATHS, *SHELL, *TERMINAL, *FORMULAS, *MARKUP)
