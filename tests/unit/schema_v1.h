/* schema_v1: the tables of a data folder as the first release of baler made them. Never change it:
 * upgrades are tested from here. */
#ifndef BALER_TESTS_UNIT_SCHEMA_V1_H
#define BALER_TESTS_UNIT_SCHEMA_V1_H

#define SCHEMA_V1_SQL \
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID; " \
	"CREATE TABLE bucket( id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT " \
	"NULL, versioning INTEGER NOT NULL, objects INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) " \
	"STRICT; " \
	"CREATE TABLE version( bucket INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, nonce INTEGER NOT " \
	"NULL, is_null INTEGER NOT NULL, is_marker INTEGER NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL, " \
	"modified INTEGER NOT NULL, n_parts INTEGER NOT NULL, etag TEXT NOT NULL, headers BLOB NOT NULL, PRIMARY " \
	"KEY(bucket, key, seq DESC)) STRICT, WITHOUT ROWID; " \
	"CREATE UNIQUE INDEX version_null ON version(bucket, key) WHERE is_null; " \
	"CREATE INDEX version_age ON version(bucket, seq); " \
	"CREATE TABLE body(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT; " \
	"CREATE TABLE blob(id BLOB PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID; " \
	"CREATE TABLE segment( version INTEGER NOT NULL, idx INTEGER NOT NULL, size INTEGER NOT NULL, blob BLOB, body " \
	"INTEGER, PRIMARY KEY(version, idx)) STRICT, WITHOUT ROWID; " \
	"CREATE TABLE upload( bucket INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, nonce INTEGER NOT NULL, " \
	"created INTEGER NOT NULL, headers BLOB NOT NULL, PRIMARY KEY(bucket, key, seq)) STRICT, WITHOUT ROWID; " \
	"CREATE TABLE part( upload INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, modified INTEGER " \
	"NOT NULL, etag TEXT NOT NULL, headers BLOB NOT NULL, blob BLOB, body INTEGER, PRIMARY KEY(upload, number)) " \
	"STRICT, WITHOUT ROWID; " \
	"CREATE TABLE completed( upload INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, bucket INTEGER NOT NULL, key BLOB " \
	"NOT NULL, parts BLOB NOT NULL, seq INTEGER NOT NULL, version_nonce INTEGER NOT NULL, is_null INTEGER NOT NULL, " \
	"size INTEGER NOT NULL, modified INTEGER NOT NULL, n_parts INTEGER NOT NULL, etag TEXT NOT NULL, headers BLOB " \
	"NOT NULL) STRICT; " \
	"CREATE TABLE message( id INTEGER PRIMARY KEY, receive_count INTEGER NOT NULL, sent INTEGER NOT NULL, body BLOB " \
	"NOT NULL) STRICT; " \
	"CREATE TABLE dead_letter( id INTEGER PRIMARY KEY, receive_count INTEGER NOT NULL, sent INTEGER NOT NULL, died " \
	"INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL) STRICT; " \
	"CREATE TABLE plan( seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, state INTEGER NOT NULL, live INTEGER NOT " \
	"NULL, heartbeat INTEGER NOT NULL, nonce BLOB NOT NULL, owner BLOB NOT NULL, bucket BLOB NOT NULL, key BLOB NOT " \
	"NULL, opened INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0, n_slots INTEGER NOT NULL DEFAULT 0, sha256 " \
	"BLOB, staged BLOB, excluded BLOB) STRICT; " \
	"CREATE INDEX plan_live ON plan(seq) WHERE live = 1; " \
	"CREATE TABLE claim( version BLOB NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL, state INTEGER NOT NULL, " \
	"plan BLOB NOT NULL, slot INTEGER NOT NULL, attempts INTEGER NOT NULL, reason BLOB, PRIMARY KEY(version, " \
	"bucket, key)) STRICT, WITHOUT ROWID; " \
	"CREATE TABLE stage( id INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL, " \
	"blob BLOB, size INTEGER NOT NULL, etag TEXT NOT NULL, headers BLOB NOT NULL, published INTEGER NOT NULL " \
	"DEFAULT 0) STRICT; " \
	"CREATE INDEX stage_key ON stage(bucket, key) WHERE published = 0; " \
	"CREATE TABLE audit( id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, " \
	"subject BLOB NOT NULL, detail BLOB NOT NULL) STRICT; " \
	"CREATE INDEX audit_subject ON audit(subject); " \
	"CREATE TABLE access_key( id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL, note TEXT " \
	"NOT NULL, created INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0, secret BLOB) STRICT; " \
	"CREATE TABLE total(name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID; " \
	"CREATE TRIGGER message_in AFTER INSERT ON message BEGIN UPDATE total SET n = n + 1 WHERE name = 'message'; " \
	"END; " \
	"CREATE TRIGGER message_out AFTER DELETE ON message BEGIN UPDATE total SET n = n - 1 WHERE name = 'message'; " \
	"END; " \
	"CREATE TRIGGER dead_letter_in AFTER INSERT ON dead_letter BEGIN UPDATE total SET n = n + 1 WHERE name = " \
	"'dead_letter'; END; " \
	"CREATE TRIGGER dead_letter_out AFTER DELETE ON dead_letter BEGIN UPDATE total SET n = n - 1 WHERE name = " \
	"'dead_letter'; END; " \
	"CREATE TABLE waiting( bucket INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT; " \
	"CREATE TRIGGER waiting_in AFTER INSERT ON version WHEN NEW.bucket IN (SELECT bucket FROM waiting) BEGIN UPDATE " \
	"waiting SET objects = objects + (NOT NEW.is_marker) - ifnull((SELECT iif(is_marker, 0, 1) FROM version WHERE " \
	"bucket = NEW.bucket AND key = NEW.key AND seq < NEW.seq ORDER BY seq DESC LIMIT 1), 0), bytes = bytes + " \
	"iif(NEW.is_marker, 0, NEW.size) - ifnull((SELECT iif(is_marker, 0, size) FROM version WHERE bucket = " \
	"NEW.bucket AND key = NEW.key AND seq < NEW.seq ORDER BY seq DESC LIMIT 1), 0) WHERE bucket = NEW.bucket; END; " \
	"CREATE TRIGGER waiting_out AFTER DELETE ON version WHEN OLD.bucket IN (SELECT bucket FROM waiting) AND NOT " \
	"EXISTS (SELECT 1 FROM version WHERE bucket = OLD.bucket AND key = OLD.key AND seq > OLD.seq) BEGIN UPDATE " \
	"waiting SET objects = objects - (NOT OLD.is_marker) + ifnull((SELECT iif(is_marker, 0, 1) FROM version WHERE " \
	"bucket = OLD.bucket AND key = OLD.key AND seq < OLD.seq ORDER BY seq DESC LIMIT 1), 0), bytes = bytes - " \
	"iif(OLD.is_marker, 0, OLD.size) + ifnull((SELECT iif(is_marker, 0, size) FROM version WHERE bucket = " \
	"OLD.bucket AND key = OLD.key AND seq < OLD.seq ORDER BY seq DESC LIMIT 1), 0) WHERE bucket = OLD.bucket; END; " \
	"INSERT INTO total(name, n) VALUES('message', 0), ('dead_letter', 0); " \
	"PRAGMA application_id=1650551922; PRAGMA user_version=1;"

#endif
