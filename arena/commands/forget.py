"""`python -m arena forget`: what a visitor wrote is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arena.commands.opened import kindly, pseudonym_key, reading, say, stop, writing

if TYPE_CHECKING:
    from db.forget import Written


def forget(
    who: Annotated[str, typer.Argument(help="The code on a visitor's About page, a pseudonym of an export, a battle.")],
    votes: Annotated[bool, typer.Option("--votes", help="Let the votes be those of nobody known, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said what would be done.")] = False,
) -> None:
    """Empty the prompts and answers of a visitor's battles, or of one battle; the votes stay and count as before.

    What was copied before (backups, exports, a data set on the Hub) does not follow: docs/privacy.md says what to do.
    """
    with kindly():
        from arena.privacy.forgetting import NobodyFound, look
        from arena.privacy.forgetting import forget as forget_now
        from arena.settings import load_settings
        from db.schema import copies_before

        try:
            with reading(load_settings().database) as database:
                written = look(database, who, pseudonym_key())
            if not yes:
                say(f"{_sentence(written, votes=votes)} Nothing is changed; --yes does it, and it can't be undone.")
                return
            with writing() as (database, _):
                emptied = forget_now(database, who, pseudonym_key(), votes=votes)
        except NobodyFound as error:
            stop(str(error))
        say(f"The texts of {emptied} battles are emptied{', and their votes are nobody known' * votes}.")
        say("Backups, exports and data sets made before still hold them: docs/privacy.md says what to do.")
        if copies := ", ".join(str(copy) for copy in copies_before(load_settings().database)):
            say(f"So do the copies that migrations kept; delete them: {copies}")
        if written.under_way:
            say(
                f"{written.under_way} battles are still being answered and were left; do it again in a few minutes, "
                "or, where the arena was stopped, after its next start, which ends them."
            )


def _sentence(written: Written, *, votes: bool) -> str:
    stay = "get another voter's id, drawn by chance, and count as before" if votes else "stay and count as before"
    return (
        f"{written.battles} battles have texts of visitors; their {written.turns} prompts, each with both answers, "
        f"would be emptied. {written.votes} votes {stay}."
    )
