"""The two Flink jobs and the way they reach the cluster."""
