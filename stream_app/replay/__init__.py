"""Replay: record real traffic, send it again on schedule, and judge what came out.

```text
 recording (file) ──> schedule ──> driver ──> input topic ... the system under test ... output topics ──> observer
   capture, traffic    intended     stamps new event ids,                                                    │
   make one            times        sends whatever happens                                                   v
                                        └──────────────> ledger: each event, each item ──> verdict ──> report
```

Latency runs from the intended time of an event to the moment when its explanation was readable: a system that makes the
generator wait gets no credit for it. A generator that was late itself makes the run invalid.
"""
