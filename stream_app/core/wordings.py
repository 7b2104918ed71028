"""The sentences of the template, several for each situation; which one is taken depends on the event and the item.

Placeholders: `{t}` the item, `{h}` an item of the history, `{verb}` how that was liked, `{same}` what both share
(`the same director, Michael Mann`), `{clause}` and `{tail}` what is said of the item (`was directed by ...`,
`directed by ...`), `{w}` a word that preferences and item share, `{where}` where the item has it, `{rank}` its rank.
"""

from typing import Final

LIKED_LINKS: Final = (
    "You {verb} {h}, and {t} has {same}.",
    "Like {h}, which you {verb}, {t} {clause}.",
    "Since you {verb} {h}, consider {t}, which has {same}.",
    "{h} is one that you {verb}, and {t} {clause} as well.",
    "{t} has something in common with {h}, which you {verb}: {same}.",
    "{t} {clause}, just like {h}, which you {verb}.",
)
SEEN_LINKS: Final = (
    "{h} is in your history, and {t} has {same}.",
    "Like {h} from your history, {t} {clause}.",
    "Since {h} is in your history, consider {t}, which has {same}.",
    "{t} has something in common with {h} from your history: {same}.",
    "{t} {clause}, just like {h}, which is in your history.",
)
PREFERENCES: Final = (
    "Your preferences mention {w}, and {t} has that in its {where} too.",
    "You name {w} among your preferences, and the {where} of {t} speaks of it as well.",
    "With {w} among your preferences, consider {t}, whose {where} mentions it too.",
    "{t} could suit you, since its {where} mentions {w}, as your preferences do.",
    "Consider {t}, which has one thing from your preferences in its {where}: {w}.",
)
ALONE: Final = (
    "One to consider for your list is {t}, {tail}.",
    "Here is one suggestion for you: {t}, {tail}.",
    "{t} could be worth a look for you, since it {clause}.",
    "If you are open to a suggestion, consider {t}, {tail}.",
    "Take a look at {t} when you can, as it {clause}.",
    "Among the picks for you is {t}, {tail}.",
)
UNKNOWN: Final = (
    "{t} was ranked number {rank} for you; no further details about it came with the ranking.",
    "At number {rank} of your ranking stands {t}, and nothing more is known about it here.",
    "{t} came in at number {rank} for you, though the ranking gave no further details about it.",
    "Number {rank} of the ranking for you is {t}, which came without any further details.",
    "For you, {t} was placed at number {rank}; the ranking says nothing more about it.",
)
RANKED: Final = (
    "{t} was ranked number {rank} for you, so it might be worth a look.",
    "At number {rank} of your ranking stands {t}, so you might give it a look.",
    "{t} came in at number {rank} for you, and that is why it is suggested here.",
    "Number {rank} of the ranking for you is {t}, which might be one to consider.",
    "For you, {t} was placed at number {rank}, which is why it is suggested here.",
)
"""For an item whose details cannot be put into words."""

FOLLOW_UP: Final = " It {clause}."
"""A second sentence, for wordings that end with the item as their subject."""

LIKED_VERBS: Final = ("enjoyed", "liked")
