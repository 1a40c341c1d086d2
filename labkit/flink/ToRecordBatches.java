package labkit;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;

import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RowData;

/**
 * Rows (key, value, partition, offset, headers) of Kafka records -> many of them in one array of bytes.
 *
 * A batch goes on when it has enough records or bytes, when its first record has waited long enough, and before the
 * barrier of each checkpoint: so this operator keeps no state, and no record is in a batch when the source's offsets
 * are written down. The layout is that of labkit/flink/engine/record_batch.py, which reads it.
 */
public class ToRecordBatches extends AbstractStreamOperator
        implements OneInputStreamOperator, ProcessingTimeService.ProcessingTimeCallback {

    private final int records;
    private final int bytes;
    private final long waitMs;

    private transient ByteArrayOutputStream heads;
    private transient ByteArrayOutputStream bodies;
    private transient DataOutputStream head;
    private transient int count;
    private transient boolean isTimed;

    public ToRecordBatches(int records, int bytes, long waitMs) {
        this.records = records;
        this.bytes = bytes;
        this.waitMs = waitMs;
    }

    public void open() throws Exception {
        super.open();
        this.heads = new ByteArrayOutputStream();
        this.bodies = new ByteArrayOutputStream();
        this.head = new DataOutputStream(this.heads);
    }

    public void processElement(StreamRecord element) throws Exception {
        RowData row = (RowData) element.getValue();
        this.head.writeInt(row.getInt(2));
        this.head.writeLong(row.getLong(3));
        this.add(row.isNullAt(0) ? null : row.getBinary(0));
        this.add(row.isNullAt(1) ? null : row.getBinary(1));
        this.add(row.isNullAt(4) ? null : headers(row.getMap(4)));
        this.count++;
        if (this.count >= this.records || this.bodies.size() >= this.bytes) {
            this.emit();
        } else if (!this.isTimed) {
            this.isTimed = true;
            ProcessingTimeService clock = this.getProcessingTimeService();
            clock.registerTimer(clock.getCurrentProcessingTime() + this.waitMs, this);
        }
    }

    private void add(byte[] data) throws Exception {
        this.head.writeInt(data == null ? -1 : data.length);
        if (data != null) {
            this.bodies.write(data);
        }
    }

    private static byte[] headers(MapData map) throws Exception {
        if (map.size() == 0) {
            return null;
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        ArrayData names = map.keyArray();
        ArrayData values = map.valueArray();
        for (int i = 0; i < map.size(); i++) {
            byte[] name = names.getString(i).toBytes();
            byte[] value = values.isNullAt(i) ? null : values.getBinary(i);
            out.writeInt(name.length);
            out.writeInt(value == null ? -1 : value.length);
            out.write(name);
            if (value != null) {
                out.write(value);
            }
        }
        return bytes.toByteArray();
    }

    public void onProcessingTime(long timestamp) throws Exception {
        this.isTimed = false;
        this.emit();
    }

    public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
        this.emit();
    }

    public void finish() throws Exception {
        this.emit();
        super.finish();
    }

    private void emit() throws Exception {
        if (this.count == 0) {
            return;
        }
        ByteArrayOutputStream batch = new ByteArrayOutputStream(4 + this.heads.size() + this.bodies.size());
        new DataOutputStream(batch).writeInt(this.count);
        this.heads.writeTo(batch);
        this.bodies.writeTo(batch);
        this.count = 0;
        this.heads.reset();
        this.bodies.reset();
        this.output.collect(new StreamRecord(batch.toByteArray()));
    }
}
