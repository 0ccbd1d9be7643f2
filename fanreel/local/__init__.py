"""The local stack: real servers, the Functions host and a worker on one machine, started and stopped as one."""
