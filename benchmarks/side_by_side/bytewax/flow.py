"""The same with bytewax: raw bytes go to the worker of their host, which decodes and compares them batch by batch.

At least once: recovery snapshots keep the state and what was read; results since the last one come again after a crash.
Run by `python -m bytewax.run flow`.
"""

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from procstat import MAX_DEAD_LETTER_BYTES, Decoder, Unreadable, compare, setting

decoder = Decoder(setting("registry"))
output, dead = setting("output"), setting("dead_letters")


class Enrich(op.StatefulBatchLogic):
    """The last good snapshot of one host."""

    def __init__(self, last):
        self._last = last

    def on_batch(self, values):
        """Values of this host -> messages to send; the state stays."""
        messages = []
        for key, value in values:
            try:
                now = decoder.decode(value)
            except Unreadable as reason:
                messages.append(KafkaSinkMessage(key, value, dead, [("reason", str(reason).encode())]))
                continue
            self._last, record = compare(self._last, now)
            if record is not None:
                messages.append(KafkaSinkMessage(key, orjson.dumps(record), output))
        return messages, self.RETAIN

    def snapshot(self):
        """What recovery keeps; a tuple is never changed."""
        return self._last


flow = Dataflow("enrichment")
brokers = [setting("bootstrap")]
source = KafkaSource(brokers, [setting("input")])
messages = op.input("snapshots", flow, source)
keyed = op.map("by host", messages, lambda message: ((message.key or b"").decode(), (message.key, message.value)))
enriched = op.stateful_batch("enrich", keyed, Enrich)
producing = {
    "enable.idempotence": "true",
    "partitioner": "murmur2_random",
    "message.max.bytes": MAX_DEAD_LETTER_BYTES,
}
sink = KafkaSink(brokers, None, producing)
op.output("metrics", op.key_rm("values", enriched), sink)
