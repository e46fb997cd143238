/* X(id, level, name, meaning): every line baler logs. Included by log.h and log.c, no guard on
 * purpose. */
X(EV_SERVE_READY, LOG_INFO, "serve-ready", "the endpoint accepts requests")
X(EV_SERVE_STOPPING, LOG_INFO, "serve-stopping", "a signal came: no new requests, finishing what is in hand")
X(EV_SERVE_STOPPED, LOG_INFO, "serve-stopped", "everything in hand is finished")
X(EV_SERVE_CUT, LOG_WARNING, "serve-cut",
	"something in hand, such as a call to another store, did not end in time; the next start recovers it")
X(EV_TLS_RENEWED, LOG_INFO, "tls-renewed", "certificate and key were read again; new connections are shown them")
X(EV_TLS_KEPT, LOG_ERROR, "tls-kept", "the new certificate or key cannot be used; the old pair stays")
X(EV_BUNDLE_PUBLISHED, LOG_INFO, "bundle-published", "a bundle is visible to its consumer")
X(EV_PLAN_ABORTED, LOG_WARNING, "plan-aborted", "a plan was given up; its members will be bundled by another")
X(EV_PLAN_RECOVERED, LOG_INFO, "plan-recovered", "the scanner finished or undid a plan another process left")
X(EV_PLAN_STUCK, LOG_CRITICAL, "plan-stuck",
	"a sealed plan cannot be published; it stays sealed and is tried again, and all other objects are bundled meanwhile")
X(EV_PLAN_OVERDUE, LOG_ERROR, "plan-overdue",
	"a bundle was not ready within the time that a plan may stay open; its plan was given up and its objects are tried again")
X(EV_OBJECT_ALONE, LOG_INFO, "object-alone", "a large or slow object goes in a bundle of its own, so that no other object waits for it")
X(EV_PUBLISH_FAILED, LOG_ERROR, "publish-failed", "a sealed bundle could not be published; it is tried again after a pause")
X(EV_UNDO_FAILED, LOG_WARNING, "undo-failed",
	"a plan that another process left could not be undone, or its stage not removed; it is tried again after a pause")
X(EV_OBJECT_REJECTED, LOG_WARNING, "object-rejected", "an object will never be bundled; its message is a dead letter")
X(EV_MESSAGE_RETURNED, LOG_DEBUG, "message-returned",
	"a message goes back to the queue for a later try")
X(EV_OBJECTS_UNREAD, LOG_WARNING, "objects-unread",
	"objects could not be read and are tried again later; the line names the first")
X(EV_BUNDLING_ENDED, LOG_CRITICAL, "bundling-ended",
	"bundling cannot go on; the process ends so that a fresh one can recover")
X(EV_STEP_FAILED, LOG_ERROR, "step-failed", "one round of bundling failed and will be tried again")
X(EV_LIMIT_REACHED, LOG_INFO, "limit-reached", "Predicted disk usage exceeds limit: the bundle is closed with what it holds")
X(EV_CONNECTIONS_CROWDED, LOG_WARNING, "connections-crowded",
	"connections were ended or refused to make room; those without a valid signature go first; told once a minute")
X(EV_WORK_STUCK, LOG_WARNING, "work-stuck",
	"a request has been running for more than a minute on the threads of its kind; the line names the kind")
X(EV_REQUEST, LOG_DEBUG, "request", "an S3 request was answered")
X(EV_REQUEST_FAILED, LOG_ERROR, "request-failed", "an S3 request got a 5xx answer")
X(EV_DAMAGE, LOG_CRITICAL, "damage",
	"stored bytes are not what they were, or cannot be read; whatever depends on them is refused, everything else goes on")
X(EV_DISK_FULL, LOG_ERROR, "disk-full", "a write found no room; it was refused and nothing of it is visible")
X(EV_BUNDLE_WAITS, LOG_WARNING, "bundle-waits",
	"the disk has no room for all of a bundle: the objects that do not fit wait, the others are bundled; the line names the largest")
X(EV_SETTING_INERT, LOG_WARNING, "setting-without-effect",
	"a setting was given that has nothing to act on here; the line says why")
X(EV_CONFIG_RISK, LOG_WARNING, "config-risk", "a setting is honoured, with a risk that the line names")
X(EV_EVENTS_CONFIRM, LOG_WARNING, "events-confirm",
	"SNS wants to send events here; open the url to agree, if the topic is yours")
X(EV_RECONCILED, LOG_WARNING, "reconciled",
	"the landing bucket was looked through: what no event had told of is in the queue now; what has no version cannot be told apart")
X(EV_RECONCILE_FAILED, LOG_WARNING, "reconcile-failed", "the landing bucket could not be looked through; it is tried again at the next time")
X(EV_RETENTION_FAILED, LOG_ERROR, "retention-failed", "old data could not be removed; it is tried again at the next pass")
X(EV_RETENTION_HELD, LOG_WARNING, "retention-held",
	"the wall clock is further ahead than time has passed (or baler was not running): nothing is removed for its age until it has run on "
	"for a while")
X(EV_BLOBS_SWEPT, LOG_INFO, "blobs-swept", "files that no object owns were removed at the start; a process that died was writing them")
X(EV_CLOCK_BEHIND, LOG_WARNING, "clock-behind",
	"the wall clock is more than a day behind the newest thing that is stored: it was ahead once, or it is wrong now; ages are counted by it as it is")
X(EV_RETENTION, LOG_INFO, "retention", "old data were removed")
X(EV_RECORD_FAILED, LOG_WARNING, "record-failed", "a record of a direct invocation is in no bundle")
X(EV_TIME_GUARD, LOG_INFO, "time-guard", "time runs out: the bundle is closed with what it holds")
X(EV_INVOCATION_ENDED, LOG_INFO, "invocation-ended", "an invocation was answered")
X(EV_ALARM_RAISED, LOG_WARNING, "alarm-raised", "somebody should look; 'baler status' shows what is raised now")
X(EV_ALARM_CLEARED, LOG_INFO, "alarm-cleared", "what raised the alarm is over")
