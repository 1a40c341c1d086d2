package labkit;

import java.nio.ByteBuffer;

import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.util.Collector;

/** One array of bytes -> the rows (hostname, JSON, timestamp) in it, as labkit/flink/engine/record_batch.py has laid them out. */
public class FromResultBatches implements FlatMapFunction {

    private static final int HEAD = 16; // timestamp, length of the hostname, length of the JSON

    public void flatMap(Object value, Collector out) throws Exception {
        byte[] batch = (byte[]) value;
        ByteBuffer heads = ByteBuffer.wrap(batch);
        int count = heads.getInt();
        int hostname = 4 + count * HEAD;
        int json = hostname;
        for (int i = 0; i < count; i++) {
            json += heads.getInt(4 + i * HEAD + 8);
        }
        for (int i = 0; i < count; i++) {
            long timestamp = heads.getLong();
            int hostnameLength = heads.getInt();
            int jsonLength = heads.getInt();
            byte[] record = new byte[jsonLength];
            System.arraycopy(batch, json, record, 0, jsonLength);
            GenericRowData row = new GenericRowData(3);
            row.setField(0, BinaryStringData.fromBytes(batch, hostname, hostnameLength));
            row.setField(1, record);
            row.setField(2, Long.valueOf(timestamp));
            out.collect(row);
            hostname += hostnameLength;
            json += jsonLength + 1; // and the end of the line
        }
    }
}
