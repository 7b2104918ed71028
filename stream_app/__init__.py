"""Prism: a faithful explanation for every ranked item, as a stream.

The data path, from left to right:

```text
 input topic ──> kafka/delivery ──> core/pipeline ──────────────────────────────> kafka/delivery ──> output topic
 (ranking        bytes, in order    events.decode_event      JSON -> RankingEvent   publish, await,     (explanations)
  events)                           prompt.build_prompt      facts, slots           acknowledge,
                                    runtime.generator        slotted text           commit          ──> dead letters
                                    slots.fill_slots         names put back
                                    faithfulness             every claim checked
                                    template                 where a text fails
```

To find your way: `kafka/edge.py`, then `core/pipeline.py`, then the module of the step that you change.
"""

__version__ = "0.1.0"
