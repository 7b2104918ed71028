"""The Kafka edge: the only folder that imports faust and aiokafka."""
