/* X(id, level, name, meaning): every line baler logs. Included by log.h and log.c, no guard on
 * purpose. */
X(EV_SERVE_READY, LOG_INFO, "serve-ready", "the endpoint accepts requests")
X(EV_SERVE_STOPPING, LOG_INFO, "serve-stopping", "a signal came: new requests are refused, and requests in hand are finished")
X(EV_SERVE_STOPPED, LOG_INFO, "serve-stopped", "all requests in hand are finished")
X(EV_SERVE_CUT, LOG_WARNING, "serve-cut",
	"a call, for example to another store, did not end in time; the next start recovers its work")
X(EV_TLS_RENEWED, LOG_INFO, "tls-renewed", "certificate and key were read again; new connections use them")
X(EV_TLS_KEPT, LOG_ERROR, "tls-kept", "the new certificate or key cannot be used; the old pair stays")
X(EV_BUNDLE_PUBLISHED, LOG_INFO, "bundle-published", "a bundle is visible to its consumer")
X(EV_PLAN_ABORTED, LOG_WARNING, "plan-aborted", "a plan was given up; another plan will bundle its members")
X(EV_PLAN_RECOVERED, LOG_INFO, "plan-recovered", "the scanner finished or undid a plan that another process left")
X(EV_PLAN_STUCK, LOG_CRITICAL, "plan-stuck",
	"a sealed plan cannot be published; it stays sealed and is tried again, and all other objects are bundled meanwhile")
X(EV_PLAN_OVERDUE, LOG_ERROR, "plan-overdue",
	"a bundle was not ready within the time that a plan may stay open: its plan was given up, and its objects are tried again")
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
X(EV_LIMIT_REACHED, LOG_INFO, "limit-reached", "Predicted disk usage exceeds limit: the bundle is closed with the members that it has")
X(EV_CONNECTIONS_CROWDED, LOG_WARNING, "connections-crowded",
	"connections were ended or refused to make room; those without a valid signature go first; logged at most once a minute")
X(EV_WORK_STUCK, LOG_WARNING, "work-stuck",
	"a request has been running for more than a minute on the threads of its kind; the line names the kind")
X(EV_REQUEST, LOG_DEBUG, "request", "an S3 request was answered")
X(EV_REQUEST_FAILED, LOG_ERROR, "request-failed", "an S3 request got a 5xx answer")
X(EV_DAMAGE, LOG_CRITICAL, "damage",
	"stored bytes were changed or cannot be read: requests that need them are refused, all others go on")
X(EV_DISK_FULL, LOG_ERROR, "disk-full", "a write found no room; it was refused and nothing of it is visible")
X(EV_BUNDLE_WAITS, LOG_WARNING, "bundle-waits",
	"the disk has no room for all of a bundle: the objects that do not fit wait, the others are bundled; the line names the largest")
X(EV_SETTING_INERT, LOG_WARNING, "setting-without-effect",
	"a setting was given that has no effect here; the line says why")
X(EV_CONFIG_RISK, LOG_WARNING, "config-risk", "a setting is used, and has a risk that the line names")
X(EV_EVENTS_CONFIRM, LOG_WARNING, "events-confirm",
	"SNS wants to send events here; open the url to agree, if the topic is yours")
X(EV_RECONCILED, LOG_WARNING, "reconciled",
	"the landing bucket was listed: objects without an event were queued; objects without a version id cannot be distinguished from earlier ones")
X(EV_RECONCILE_FAILED, LOG_WARNING, "reconcile-failed", "the landing bucket could not be listed; the next pass tries again")
X(EV_RETENTION_FAILED, LOG_ERROR, "retention-failed", "old data could not be removed; it is tried again at the next pass")
X(EV_RETENTION_HELD, LOG_WARNING, "retention-held",
	"the wall clock has moved further than time has passed (or baler was not running): nothing is removed because of its age until the "
	"clock has run on for a while")
X(EV_BLOBS_SWEPT, LOG_INFO, "blobs-swept", "files that no object owns were removed at the start; a process that died was writing them")
X(EV_CLOCK_BEHIND, LOG_WARNING, "clock-behind",
	"the wall clock is more than a day behind the newest stored time: it was ahead once, or it is wrong now; ages are counted with the present clock")
X(EV_RETENTION, LOG_INFO, "retention", "old data were removed")
X(EV_RECORD_FAILED, LOG_WARNING, "record-failed", "a record of a direct invocation is in no bundle")
X(EV_TIME_GUARD, LOG_INFO, "time-guard", "the time is nearly over: the bundle is closed with the members that it has")
X(EV_INVOCATION_ENDED, LOG_INFO, "invocation-ended", "an invocation was answered")
X(EV_ALARM_RAISED, LOG_WARNING, "alarm-raised", "a person should look at this; 'baler status' shows all alarms that are raised")
X(EV_ALARM_CLEARED, LOG_INFO, "alarm-cleared", "the condition of the alarm has ended")
