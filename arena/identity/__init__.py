"""Who answers must not say so before the vote: names are recognised, masked alike on both sides, and marked."""

from arena.identity.names import Names as Names
from arena.identity.names import Playing as Playing
from arena.identity.passages import Span as Span
from arena.identity.probes import is_probe as is_probe
from arena.identity.screen import MASK as MASK
from arena.identity.screen import Screen as Screen
from arena.identity.screen import masked as masked
from arena.identity.screen import named as named
from arena.identity.screen import sides_that_tell as sides_that_tell
