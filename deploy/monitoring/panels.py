"""What the dashboard shows: rows of panels, what each tells, and the queries behind it."""

from typing import Final

from deploy.monitoring.queries import MINE, Query, mean, quantiles, rate, total
from deploy.monitoring.shapes import Graph, Row, Stat

ROWS: Final = (
    Row(
        "At a glance",
        (
            Stat(
                "Workers ready",
                "Workers whose /readyz says ok; red without any.",
                Query(total("prism_ready")),
                warn_from=1,
                is_better_high=True,
            ),
            Stat(
                "Records waiting",
                "In the partitions that are assigned. Exactly once leaves 1 in each for ever.",
                Query(total("prism_consumer_lag_records")),
                warn_from=1000,
            ),
            Stat("Records settled", "Input records a second.", Query(rate("prism_records_settled_total")), "cps"),
            Stat("Explanations", "Explanations a second.", Query(rate("prism_explanations_total")), "cps"),
            Stat(
                "Time to outcome, p99",
                "From the time stamp of the record to its committed outcome.",
                quantiles("prism_end_to_end_seconds")[-1],
                "s",
                warn_from=30,
            ),
            Stat(
                "From the template",
                "Share of explanations that the model did not write.",
                Query(
                    rate("prism_explanations_total", more=', source="template"')
                    + f" / {rate('prism_explanations_total')}"
                ),
                "percentunit",
                warn_from=0.05,
            ),
            Stat(
                "Dead letters, 1 h",
                "Records that were put aside within the last hour.",
                Query(f"sum (increase(prism_dead_letters_total{{{MINE}}}[1h]))"),
                warn_from=1,
            ),
            Stat(
                "Breakers open",
                "Workers that have stopped because most records failed.",
                Query(total("prism_breaker_state", more=', state="open"')),
                warn_from=1,
            ),
        ),
    ),
    Row(
        "Flow",
        (
            Graph(
                "Records a second",
                "Settled below received: batches hang. Both below what is sent: the backlog grows.",
                (
                    Query(rate("prism_records_received_total"), "received"),
                    Query(rate("prism_records_settled_total", "outcome"), "settled: {{outcome}}"),
                ),
                "cps",
            ),
            Graph(
                "Records waiting, by partition",
                "One partition that grows alone is stuck; all together: more workers.",
                (Query(total("prism_consumer_lag_records", "topic, partition"), "{{topic}}/{{partition}}"),),
            ),
            Graph(
                "Records at work",
                "Received = settled + in flight; 'uncounted' is the difference, and is never other than 0.",
                (
                    Query(total("prism_records_in_flight", "instance"), "{{instance}}"),
                    Query(
                        f"{total('prism_records_received_total')} - {total('prism_records_settled_total')}"
                        f" - {total('prism_records_in_flight')}",
                        "uncounted",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "Time",
        (
            Graph(
                "Record to committed outcome",
                "What a consumer of the explanations feels. Includes the time that a record waits in Kafka.",
                quantiles("prism_end_to_end_seconds"),
                "s",
            ),
            Graph(
                "Explaining a batch",
                "If this rises as well, the CPU is the bottleneck; if not, the broker or the backlog.",
                quantiles("prism_inference_seconds"),
                "s",
            ),
            Graph(
                "Waiting for a batch to fill",
                "From fetching the first record to the beginning of work.",
                quantiles("prism_batch_wait_seconds"),
                "s",
            ),
            Graph(
                "Age of the oldest record",
                "Of each worker's last batch. Overload begins at PRISM_OVERLOAD_DEADLINE_SECONDS.",
                (Query(total("prism_oldest_record_seconds", "instance", "max"), "{{instance}}"),),
                "s",
            ),
        ),
    ),
    Row(
        "Batches",
        (
            Graph(
                "Records in a batch",
                "Full batches all the time mean a backlog.",
                (Query(mean("prism_batch_records"), "mean"),),
            ),
            Graph(
                "Source tokens in a batch",
                "The length of the prompts: what a batch costs.",
                (Query(mean("prism_batch_tokens"), "mean"),),
            ),
            Graph(
                "Why batches are begun",
                "full: PRISM_BATCH_RECORDS reached. items: split for its items. waited: PRISM_BATCH_WAIT_SECONDS over.",
                (Query(rate("prism_batch_flushes_total", "reason"), "{{reason}}"),),
                "cps",
                is_stacked=True,
            ),
            Graph(
                "Commits a second",
                "One for each settled batch.",
                (Query(rate("prism_commits_total"), "commits"),),
                "cps",
            ),
        ),
    ),
    Row(
        "Texts and records that fail",
        (
            Graph(
                "Explanations by source",
                "Every item gets one: from the model, or from the template.",
                (Query(rate("prism_explanations_total", "source"), "{{source}}"),),
                "cps",
                is_stacked=True,
            ),
            Graph(
                "Why the template answered",
                "overload: records were late. generation_failed: the model failed. Others: rules of the gate.",
                (Query(rate("prism_templates_total", "reason"), "{{reason}}"),),
                "cps",
                is_stacked=True,
            ),
            Graph(
                "Texts caught by the gate",
                "Texts turned down, by rule; most are written again with success.",
                (Query(rate("prism_gate_violations_total", "rule"), "{{rule}}"),),
                "cps",
                is_stacked=True,
            ),
            Graph(
                "Dead letters by stage",
                "decode, schema: the producer. explain: Prism or its model. publish: too large. expired: too late.",
                (Query(rate("prism_dead_letters_total", "stage"), "{{stage}}"),),
                "cps",
                is_stacked=True,
            ),
        ),
    ),
    Row(
        "Workers",
        (
            Graph(
                "Ready",
                "1 while /readyz says ok.",
                (Query(total("prism_ready", "instance", "min"), "{{instance}}"),),
            ),
            Graph(
                "Partitions",
                "Assigned to each worker; 0 is a worker that stands by.",
                (Query(total("prism_partitions_assigned", "instance"), "{{instance}}"),),
            ),
            Graph(
                "Trouble",
                "Rebalances, openings of the breaker and jumps of the clock within 5 minutes; overloaded workers now.",
                (
                    Query(f"sum (increase(prism_rebalances_total{{{MINE}}}[5m]))", "rebalances"),
                    Query(f"sum (increase(prism_breaker_openings_total{{{MINE}}}[5m]))", "breaker openings"),
                    Query(f"sum (increase(prism_clock_jumps_total{{{MINE}}}[5m]))", "clock jumps"),
                    Query(total("prism_overloaded"), "overloaded"),
                ),
            ),
            Graph(
                "Silence of the broker",
                "Since it last told where the partitions end; some seconds are usual.",
                (
                    Query(
                        f"max by (instance) (time() - (prism_consumer_lag_timestamp_seconds{{{MINE}}} > 0))",
                        "{{instance}}",
                    ),
                ),
                "s",
            ),
        ),
    ),
    Row(
        "Models",
        (
            Graph(
                "Records by model",
                "role: serving, canary or shadow.",
                (Query(rate("prism_records_by_model_total", "name, version, role"), "{{name}} {{version}} {{role}}"),),
                "cps",
            ),
            Graph(
                "Explanations by model and source",
                "A canary with more from the template than the serving model is worse.",
                (
                    Query(
                        rate("prism_explanations_by_model_total", "name, version, role, source"),
                        "{{name}} {{version}} {{role}}: {{source}}",
                    ),
                ),
                "cps",
            ),
            Graph(
                "Models put in place",
                "By outcome, within 5 minutes. refused: it did not verify, the old one goes on.",
                (Query(f"sum by (outcome) (increase(prism_model_reloads_total{{{MINE}}}[5m]))", "{{outcome}}"),),
            ),
            Graph(
                "Records for the shadow",
                "dropped: the shadow was too slow, which harms nobody.",
                (Query(rate("prism_shadow_records_total", "outcome"), "{{outcome}}"),),
                "cps",
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Graph(
                "CPU cores",
                "Used by each worker. All of PRISM_INFERENCE_THREADS: it has no room left.",
                (Query(rate("process_cpu_seconds_total", "instance"), "{{instance}}"),),
            ),
            Graph(
                "Memory",
                "Resident, of each worker.",
                (Query(total("process_resident_memory_bytes", "instance", "max"), "{{instance}}"),),
                "bytes",
            ),
            Graph(
                "Time since the start",
                "A saw is a worker that restarts again and again.",
                (Query(f"time() - {total('process_start_time_seconds', 'instance', 'max')}", "{{instance}}"),),
                "dtdurations",
            ),
            Graph(
                "Workers by version and model",
                "Two of a kind only during a rollout, or beside a canary.",
                (
                    Query(total("prism_build_info", "version"), "Prism {{version}}"),
                    Query(total("prism_model_info", "name, version, role"), "model {{name}} {{version}} {{role}}"),
                ),
            ),
        ),
    ),
)
