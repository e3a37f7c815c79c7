"""The card of a data set: what the Hugging Face Hub reads of it (YAML), and what people do (Markdown)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arena.boards.standings import Standing
from arena.exchange.fields import BATTLE, LEADERBOARD, PREFERENCE, VOTE, Field
from arena.exchange.listings import markdown_table
from arena.privacy.scan import sentence

_FIELDS = {"votes": VOTE, "leaderboard": LEADERBOARD, "battles": BATTLE, "preferences": PREFERENCE}
_ABOUT = {
    "votes": "one row a vote",
    "leaderboard": "one row a model: Bradley–Terry rating with its 95 % interval, Elo beside it",
    "battles": "one row a voted battle, with both conversations",
    "preferences": "pairs for preference training (TRL's conversational form): decided battles of one prompt",
}
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_CODE = re.compile("[a-z]{2}")

_SCANNED = """\
E-mail addresses, telephone, card and account numbers, keys and passwords, and public IP addresses were
looked for by their form and replaced by their kind, such as [email]: {found}. Names and postal addresses have
no form and may be left."""
_NOT_SCANNED = "Personal data were not looked for."
_WITHOUT_TEXTS = "Prompts and answers are not in it."
_WITH_TEXTS = """\
Prompts were written by visitors, who may have put anything into them; nobody has reviewed what they wrote. {masked}

Battles hold the answers as the models gave them, reasoning included; preference pairs hold what visitors saw. Left out
of the pairs are ties, battles that were both bad, those of several prompts, and answers that are empty or equal."""


@dataclass(frozen=True)
class Contents:
    """What is in a data set: rows by file, the votes by language ("": not labelled), the models that were voted on.

    `masked`: in how many texts which kind of personal data was; None: nobody looked.
    """

    rows: Mapping[str, int]
    voters: int
    languages: Mapping[str, int]
    models: Sequence[Standing]
    license: str
    masked: Mapping[str, int] | None = None

    @property
    def texts(self) -> bool:
        return "battles" in self.rows


def card_text(contents: Contents) -> str:
    """The README.md of the data set."""
    others = ", ".join(f"`{name}`" for name in contents.rows if name != "votes")
    outputs = "Their outputs are inside" if contents.texts else "Their outputs are not inside"
    return f"""\
---
{_front_matter(contents)}
---

# Votes of a blind arena of language models

Two anonymous models answered the same prompt side by side; a visitor voted; then the names were shown. Collected and
exported with Paddock.

## What is inside

{_files(contents)}
{_texts(contents)}

## How to load it

```python
from datasets import load_dataset

votes = load_dataset("USER/NAME", "votes", split="train")
```

A folder on this machine is named by its path in place of `USER/NAME`. The other parts are {others}.

## Voters

{contents.voters:,} voters. None is named: `voter` is a pseudonym, the first 16 hexadecimal digits of an HMAC-SHA256 of
the voter's id, under a key that never leaves the arena's server. It tells which votes one voter cast, and nothing of
who that is. Times are kept to the second.

## Which votes count

Only votes that count when this was made are in it. The arena keeps the others and can export them, each with its
reason: battles in which a model said who it is or was asked to, votes too fast to have been read for, one voter's
votes beyond a share, votes that together show a bias, votes of newcomers that wait, and what an administrator
excluded. Paddock's docs/integrity.md has the rules; it also says how far they can be wrong.

## Models

{outputs}. Each model's license may bind whoever trains on its outputs; the license of this data set
can't grant more.

{_models(contents.models)}
## Fields

{"".join(f"### {name}{chr(10) * 2}{_schema(_FIELDS[name])}{chr(10)}" for name in contents.rows).rstrip()}
"""


def _texts(contents: Contents) -> str:
    if not contents.texts:
        return _WITHOUT_TEXTS
    if contents.masked is None:
        return _WITH_TEXTS.format(masked=_NOT_SCANNED)
    return _WITH_TEXTS.format(masked=_SCANNED.format(found=sentence(contents.masked) or "there were none"))


def _files(contents: Contents) -> str:
    lines = [(f"{name}.parquet", f"{count:,}", _ABOUT[name]) for name, count in contents.rows.items()]
    return markdown_table(("File", "Rows", "What it is"), lines, (1,))


def _models(models: Iterable[Standing]) -> str:
    lines = [(row.model, row.name, row.license or "not known", f"{row.votes:,}", row.url) for row in models]
    return markdown_table(("Model", "Name", "License", "Votes", "Where"), lines, (3,))


def _schema(fields: Iterable[Field]) -> str:
    def kind(field: Field) -> str:
        return field.kind if isinstance(field.kind, str) else f"list of {', '.join(part.name for part in field.kind)}"

    return markdown_table(("Field", "Type", "Meaning"), [(field.name, kind(field), field.meaning) for field in fields])


def _front_matter(contents: Contents) -> str:
    # JSON's strings are YAML's too, so nothing given can break out of its place.
    lines = [f"license: {json.dumps(contents.license.lower())}", 'pretty_name: "Votes of a blind arena"']
    codes = sorted(code for code in contents.languages if _CODE.fullmatch(code))
    lines += ["language:", *(f'- "{code}"' for code in codes)] if codes else []
    tags = ("arena", "human-preference", "pairwise-comparison", "paddock", *(("dpo",) if contents.texts else ()))
    lines += ["tags:", *(f"- {tag}" for tag in tags)]
    lines += ["size_categories:", f'- "{_size(contents.rows["votes"])}"', "configs:"]
    for name in contents.rows:
        lines += [f"- config_name: {name}", f"  data_files: {name}.parquet"]
        lines += ["  default: true"] if name == "votes" else []
    return "\n".join(lines)


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), _LARGEST)
