"""`prism doctor`: what is wrong with this installation, and what to change.

```text
examination.py      asks in this order, and writes the report
configuration.py    settings, and variables that are none
machine.py          instruction set, threads against quota, memory against limit
model.py            checksums, warm-up speed
cluster.py          broker, topics, rights, partitions, replication, sizes, clock; facts from kafka/inspection.py
findings.py         what a check says
```

Facts are read apart from what is made of them: judging them is pure code.
"""
