"""The same with quixstreams: a stateful function over raw bytes; RocksDB and a changelog topic keep the state.

Exactly once: results, changelog and what was read go into one Kafka transaction each commit interval.
"""

from pathlib import Path

import orjson
from procstat import MAX_DEAD_LETTER_BYTES, Decoder, Unreadable, compare, setting
from quixstreams import Application, State

COMMIT_S = 10.0


def main() -> None:
    """Until SIGTERM."""
    app = Application(
        broker_address=setting("bootstrap"),
        consumer_group=setting("group"),
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_S,
        state_dir=Path(setting("state")) / setting("number"),
        auto_create_topics=True,
        loglevel="WARNING",
        producer_extra_config={"linger.ms": 20, "message.max.bytes": MAX_DEAD_LETTER_BYTES},
    )
    snapshots = app.topic(setting("input"), key_deserializer="bytes", value_deserializer="bytes")
    metrics = app.topic(setting("output"), key_serializer="bytes", value_serializer="bytes")
    dead = app.topic(setting("dead_letters"), key_serializer="bytes", value_serializer="bytes")
    decoder = Decoder(setting("registry"))

    def enrich(value: bytes, state: State) -> list[tuple[bool, bytes]]:
        """[(readable, what to write)], empty for nothing."""
        try:
            now = decoder.decode(value)
        except Unreadable:
            return [(False, value)]
        before = state.get("last")
        keep, record = compare(before, now)
        if keep is now:
            state.set("last", now)
        return [(True, orjson.dumps(record))] if record is not None else []

    enriched = app.dataframe(snapshots).apply(enrich, stateful=True, expand=True)
    enriched.filter(lambda pair: not pair[0]).apply(lambda pair: pair[1]).to_topic(dead)
    enriched.filter(lambda pair: pair[0]).apply(lambda pair: pair[1]).to_topic(metrics)
    app.run()


if __name__ == "__main__":
    main()
