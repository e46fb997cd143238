/*
 * X(id, name, severity, for_ms, meaning): every alarm; it is raised once its condition has held
 * for for_ms, and ends with it. Included by alarm.h and alarm.c, no guard on purpose. The
 * conditions are in alarm.c.
 */
X(ALARM_DEAD_LETTERS, "dead-letters", ALARM_CRITICAL, 0, "messages are in the dead-letter queue")
X(ALARM_DAMAGE, "damage", ALARM_CRITICAL, 0, "stored bytes are damaged: 'baler status' names them")
X(ALARM_DISK, "disk", ALARM_CRITICAL, 0, "writes are refused because the disk of the data folder is full")
X(ALARM_BUNDLE_ROOM, "bundle-room", ALARM_CRITICAL, 0,
	"a bundle waits for room on the disk: let the consumer take bundles, delete what is not needed, or enlarge the disk")
X(ALARM_CLOCK, "clock", ALARM_WARNING, 0,
	"the wall clock is behind what is stored: it was ahead once, or it is wrong now; look at it")
X(ALARM_DISK_LOW, "disk-low", ALARM_WARNING, 0, "less than a tenth of the data folder's disk is free, and less than 10 GiB")
X(ALARM_STUCK_PLAN, "stuck-plan", ALARM_CRITICAL, 0, "a sealed bundle cannot be published; all others are")
X(ALARM_ERRORS, "errors", ALARM_WARNING, 0, "bundling failed 5 times or more within 10 minutes")
X(ALARM_QUEUE_AGE, "queue-age", ALARM_CRITICAL, 5 * 60000, "the oldest message has waited for more than an hour")
X(ALARM_OUTAGE, "outage", ALARM_CRITICAL, 0, "bundling fails and the queue grows old: nothing comes out")
X(ALARM_INBOUND_RATE, "inbound-rate", ALARM_WARNING, 5 * 60000, "far more or fewer objects come in than usual")
X(ALARM_CONSUMER, "consumer", ALARM_WARNING, 3 * 3600000, "1,000 bundles or more wait in the distribution bucket: nobody takes them")
