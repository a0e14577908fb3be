"""What `doctor` inspects: the machine, the engine that answers, and ZooKeeper."""
