"""What prompts and answers are: category and language of the one, style of the other; docs/labels.md."""

from arena.labels.category import CATEGORIES as CATEGORIES
from arena.labels.category import category_of as category_of
from arena.labels.language import language_of as language_of
from arena.labels.style import Style as Style
from arena.labels.style import style_of as style_of

# Of the rules: raised with each change of them, so that whoever labelled turns earlier knows to do it again.
LABELS_VERSION = 1
