"""meshtui's own themes: a dark one (the default), a light one, and one without colours.

Blue says allowed or fine, orange denied or bad, and a third colour that people with red-green blindness can tell from both is
for warnings. Every pair of text and background that the stylesheets make of them has a contrast of at least 4.5:1 (WCAG 2.2,
1.4.3, level AA); a test holds that. ``bad-style`` and ``warn-style`` are how errors and warnings are written where colours
can't tell them apart.
"""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from meshtui.model.errors import UsageError

DARK, LIGHT, MONO = "meshtui-dark", "meshtui-light", "meshtui-mono"

_IN_COLOUR = "bold", "not bold"
"""How errors and warnings are written where colours tell them apart."""
_WITHOUT_COLOUR = "bold underline", "bold"
"""Without colours an error is a step stronger than a warning, and both are stronger than plain text."""


def _theme(  # noqa: PLR0913  (a palette)
    name: str,
    *,
    dark: bool,
    grey: bool = False,
    grounds: tuple[str, str, str],
    text: tuple[str, str, str],
    tones: tuple[str, str, str],
    muted: tuple[str, str, str],
    cursor: tuple[str, str, str],
) -> Theme:
    """A theme of a few colours.

    ``grounds`` are background, surface and panel; ``text`` is plain, dim and of titles; ``tones`` are ok, warning and bad, and
    ``muted`` the backgrounds of the same meaning; ``cursor`` is its background, its text, and its background without the focus.
    """
    background, surface, panel = grounds
    plain, dim, title = text
    ok, warning, bad = tones
    own = {
        "text": plain,
        "text-muted": dim,
        "text-disabled": dim,
        "text-primary": title,
        "text-secondary": dim,
        "text-accent": title,
        "text-success": ok,
        "text-warning": warning,
        "text-error": bad,
        "success-muted": muted[0],
        "warning-muted": muted[1],
        "error-muted": muted[2],
        "primary-muted": cursor[2],
        "secondary-muted": cursor[2],
        "accent-muted": cursor[2],
        "foreground-muted": dim,
        "foreground-disabled": dim,
        "block-cursor-background": cursor[0],
        "block-cursor-foreground": cursor[1],
        "block-cursor-blurred-background": cursor[2],
        "block-cursor-blurred-foreground": plain,
        "block-hover-background": panel,
        "button-color-foreground": cursor[1],
        "border": dim,
        "border-blurred": panel,
        "footer-key-foreground": title,
        "footer-description-foreground": plain,
        "input-cursor-background": plain,
        "input-cursor-foreground": surface,
        "input-selection-background": cursor[2],
        "input-selection-foreground": plain,
        "link-color": title,
        "link-background-hover": cursor[0],
        "link-color-hover": cursor[1],
        "screen-selection-background": cursor[2],
        "screen-selection-foreground": plain,
        "scrollbar": dim,
        "scrollbar-background": panel,
        **({"bad-style": _WITHOUT_COLOUR[0], "warn-style": _WITHOUT_COLOUR[1]} if grey else {}),
    }
    return Theme(
        name=name,
        primary=cursor[0],
        secondary=dim,
        accent=title,
        success=ok,
        warning=warning,
        error=bad,
        foreground=plain,
        background=background,
        surface=surface,
        panel=panel,
        dark=dark,
        variables=own,
    )


THEMES = (
    _theme(
        DARK,
        dark=True,
        grounds=("#10151c", "#161b22", "#1f2630"),
        text=("#d7dde5", "#98a4b3", "#c3dcff"),
        tones=("#79b8ff", "#f2e394", "#ff9248"),
        muted=("#16304d", "#3a3420", "#452a14"),
        cursor=("#2560b8", "#ffffff", "#2a3342"),
    ),
    _theme(
        LIGHT,
        dark=False,
        grounds=("#f1f4f7", "#fafbfc", "#e9edf2"),
        text=("#1c2530", "#56616e", "#163a66"),
        tones=("#0062c4", "#5b2a7a", "#a84300"),
        muted=("#dbeafb", "#ece2f3", "#fde6d5"),
        cursor=("#1d5fb0", "#ffffff", "#dbe3ee"),
    ),
    _theme(
        MONO,
        dark=True,
        grounds=("#121212", "#181818", "#242424"),
        text=("#d0d0d0", "#a8a8a8", "#ffffff"),
        tones=("#e4e4e4", "#ececec", "#ffffff"),
        muted=("#303030", "#363636", "#3c3c3c"),
        cursor=("#d8d8d8", "#121212", "#363636"),
        grey=True,
    ),
)
"""meshtui's own, the default first."""
OWN = tuple(theme.name for theme in THEMES)


def variables(*, no_color: bool) -> dict[str, str]:
    """meshtui's own variables, for themes that don't have them; ``no_color``: the terminal shows no colours."""
    bad, warning = _WITHOUT_COLOUR if no_color else _IN_COLOUR
    return {"bad-style": bad, "warn-style": warning}


def known() -> tuple[str, ...]:
    """The names of all themes: meshtui's own first, then Textual's."""
    return (*OWN, *sorted(BUILTIN_THEMES))


def checked(name: str) -> str:
    """A theme's name, or an empty one. Raises UsageError for an unknown theme."""
    if name and name not in known():
        raise UsageError(f"no theme {name!r}", f"known: {', '.join(known())}")
    return name


def remembered(name: str) -> str:
    """A name that was written by another version, or by somebody else: empty if there is no such theme."""
    return name if name in known() else ""


def default(*, no_color: bool) -> str:
    """The theme where none is chosen; ``no_color``: the terminal shows no colours."""
    return MONO if no_color else DARK
