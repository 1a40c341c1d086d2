"""A shell in which other installations have left what they need."""

from __future__ import annotations

#: As installations of these leave them in a shell.
FOREIGN = {
    "JAVA_HOME": "/opt/jdk8", "JAVA_TOOL_OPTIONS": "-Xmx1m", "_JAVA_OPTIONS": "-Xmx1m", "JDK_JAVA_OPTIONS": "-Xbogus",
    "CLASSPATH": "/opt/x", "JVM_ARGS": "-Xbogus", "FLINK_CONF_DIR": "/opt/flink/conf", "FLINK_ENV_JAVA_OPTS": "-Xbogus",
    "KAFKA_OPTS": "-javaagent:/opt/x.jar", "KAFKA_HEAP_OPTS": "-Xmx1g", "HADOOP_CONF_DIR": "/etc/hadoop",
    "HADOOP_CLASSPATH": "/opt/x", "SPARK_HOME": "/opt/spark", "QUARKUS_HTTP_PORT": "1", "APICURIO_STORAGE_KIND": "sql",
    "PYTHONPATH": "/opt/spark/python", "PYTHONHOME": "/opt/python", "PYTHONSTARTUP": "/opt/x.py",
    "PYTHONDONTWRITEBYTECODE": "1", "HTTP_PROXY": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1",
    "LC_CTYPE": "de_DE", "LANGUAGE": "de", "TMPDIR": "/opt/tmp", "LD_PRELOAD": "/opt/x.so",
}  # fmt: skip
