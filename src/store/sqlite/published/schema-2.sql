PRAGMA journal_mode = wal;
BEGIN TRANSACTION;
CREATE TABLE heartbeat (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        beats INTEGER NOT NULL
    ) STRICT;
INSERT INTO "heartbeat" VALUES(1,0);
CREATE TABLE history (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        at         TEXT NOT NULL,
        secret_arn TEXT NOT NULL,
        event      TEXT NOT NULL
    ) STRICT;
INSERT INTO "history" VALUES(1,'2027-01-15T08:00:00.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"requested","at":"2027-01-15T08:00:01.123456789Z","over":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","now":true,"revoke_previous":true}');
INSERT INTO "history" VALUES(2,'2027-01-15T08:00:01.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"rotation_started","version":"b1346a80-feb8-8530-8d8b-c088955cc297","parent":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","generation":1}');
INSERT INTO "history" VALUES(3,'2027-01-15T08:00:02.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"password_created","version":"b1346a80-feb8-8530-8d8b-c088955cc297"}');
INSERT INTO "history" VALUES(4,'2027-01-15T08:00:03.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"write_started"}');
INSERT INTO "history" VALUES(5,'2027-01-15T08:00:04.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"write_refused"}');
INSERT INTO "history" VALUES(6,'2027-01-15T08:00:05.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"password_set","version":"b1346a80-feb8-8530-8d8b-c088955cc297"}');
INSERT INTO "history" VALUES(7,'2027-01-15T08:00:06.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"settling_started","step":"testSecret"}');
INSERT INTO "history" VALUES(8,'2027-01-15T08:00:07.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"settling_broken","step":"retire"}');
INSERT INTO "history" VALUES(9,'2027-01-15T08:00:08.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"finish_started","version":"b1346a80-feb8-8530-8d8b-c088955cc297","proof":{"level":"proven"},"nodes":3}');
INSERT INTO "history" VALUES(10,'2027-01-15T08:00:09.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"promoted","version":"b1346a80-feb8-8530-8d8b-c088955cc297","previous":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","proof":{"level":"endpoint_proven"},"nodes":2}');
INSERT INTO "history" VALUES(11,'2027-01-15T08:00:10.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"checked","version":"b1346a80-feb8-8530-8d8b-c088955cc297","proof":{"level":"unproven","reason":"user_off"},"nodes":0}');
INSERT INTO "history" VALUES(12,'2027-01-15T08:00:11.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"retirement_started","version":"b1346a80-feb8-8530-8d8b-c088955cc297","previous":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95"}');
INSERT INTO "history" VALUES(13,'2027-01-15T08:00:12.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"previous_removed","previous":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95"}');
INSERT INTO "history" VALUES(14,'2027-01-15T08:00:13.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"nodes_refuse_previous","nodes":[{"host":"master.cache1.use1.cache.amazonaws.com","port":6379}]}');
INSERT INTO "history" VALUES(15,'2027-01-15T08:00:14.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"retirement_dropped"}');
INSERT INTO "history" VALUES(16,'2027-01-15T08:00:15.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"retired","version":"b1346a80-feb8-8530-8d8b-c088955cc297","previous":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","proof":{"level":"proven"}}');
INSERT INTO "history" VALUES(17,'2027-01-15T08:00:16.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"abandon_started","version":"b1346a80-feb8-8530-8d8b-c088955cc297","cause":"older than pending_max_age"}');
INSERT INTO "history" VALUES(18,'2027-01-15T08:00:17.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"abandoned","version":"b1346a80-feb8-8530-8d8b-c088955cc297"}');
INSERT INTO "history" VALUES(19,'2027-01-15T08:00:18.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"waiting","reason":"modifying","detail":"user user1"}');
INSERT INTO "history" VALUES(20,'2027-01-15T08:00:19.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"waiting_ended"}');
INSERT INTO "history" VALUES(21,'2027-01-15T08:00:20.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"attempt_failed","step":"setSecret","message":"ModifyUser of user1: throttled","next_attempt_at":"2027-01-15T08:00:09.123456789Z"}');
INSERT INTO "history" VALUES(22,'2027-01-15T08:00:21.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"attention_raised","reason":"throttled","detail":"ModifyUser of user1"}');
INSERT INTO "history" VALUES(23,'2027-01-15T08:00:22.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"attention_cleared"}');
INSERT INTO "history" VALUES(24,'2027-01-15T08:00:23.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"halted","reason":"unknown_password","detail":"user user1 has 2 passwords","subject":"b1346a80-feb8-8530-8d8b-c088955cc297"}');
INSERT INTO "history" VALUES(25,'2027-01-15T08:00:24.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"halt_cleared"}');
INSERT INTO "history" VALUES(26,'2027-01-15T08:00:25.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"acknowledged","reason":"rolled_back","subject":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95"}');
INSERT INTO "history" VALUES(27,'2027-01-15T08:00:26.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"paused","until":"2027-01-15T08:00:30.123456789Z","reason":"maintenance"}');
INSERT INTO "history" VALUES(28,'2027-01-15T08:00:27.123456789Z','arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"event":"resumed"}');
CREATE TABLE outbox (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        target  TEXT NOT NULL,
        id      TEXT NOT NULL,
        at      TEXT NOT NULL,
        message TEXT NOT NULL,
        UNIQUE (target, id)
    ) STRICT;
INSERT INTO "outbox" VALUES(1,'oncall','msg_00112233445566778899aabbccddeeff','2027-01-15T08:00:27.123456789Z','{"type":"secret.halted","timestamp":"2027-01-15T08:00:27.123456789Z","data":{"summary":"s","event":"halted"}}');
CREATE TABLE records (
        secret_arn TEXT PRIMARY KEY,
        json       TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "records" VALUES('arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois','{"secret_arn":"arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois","first_seen":"2027-01-15T08:00:00.123456789Z","rotation":{"version":"b1346a80-feb8-8530-8d8b-c088955cc297","parent":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","generation":1,"started_at":"2027-01-15T08:00:01.123456789Z","created":true,"set_started":true,"set_at":"2027-01-15T08:00:02.123456789Z","settled_since":"2027-01-15T08:00:03.123456789Z","finishing":{"proof":{"level":"proven"},"nodes":3,"at":"2027-01-15T08:00:04.123456789Z"},"abandoning":"older than pending_max_age"},"promotion":{"version":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","previous":"11111111-2222-4333-8444-555555555555","at":"2027-01-15T08:00:05.123456789Z","started_at":"2027-01-15T08:00:04.123456789Z","revoke_previous":true},"retirement":{"version":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","previous":"11111111-2222-4333-8444-555555555555","started_at":"2027-01-15T08:00:06.123456789Z","removed_at":"2027-01-15T08:00:07.123456789Z","settled_since":"2027-01-15T08:00:08.123456789Z","refused_by":[{"host":"master.cache1.use1.cache.amazonaws.com","port":6379}]},"retired":{"version":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","all":["11111111-2222-4333-8444-555555555555"],"previous":"11111111-2222-4333-8444-555555555555","at":"2027-01-15T08:00:09.123456789Z","proof":{"level":"endpoint_proven"}},"check":{"version":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","proof":{"level":"unproven","reason":"user_off"},"nodes":0,"at":"2027-01-15T08:00:10.123456789Z"},"never_set":["11111111-2222-4333-8444-555555555555"],"settled_at":"2027-01-15T08:00:11.123456789Z","open_write":"2027-01-15T08:00:12.123456789Z","doubtful_write":"2027-01-15T08:00:13.123456789Z","request":{"at":"2027-01-15T08:00:14.123456789Z","over":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95","now":true,"revoke_previous":true},"waiting":{"reason":"modifying","detail":"user user1","since":"2027-01-15T08:00:15.123456789Z"},"failure":{"attempts":2,"step":"setSecret","message":"ModifyUser of user1: throttled","next_attempt_at":"2027-01-15T08:00:16.123456789Z"},"attention":{"reason":"throttled","detail":"ModifyUser of user1","since":"2027-01-15T08:00:17.123456789Z"},"halt":{"reason":"unknown_password","detail":"user user1 has 2 passwords","subject":"b1346a80-feb8-8530-8d8b-c088955cc297","since":"2027-01-15T08:00:18.123456789Z"},"acknowledged":{"rolled_back":"aae5b963-1e6b-4250-91c6-ebd6c47d0d95"},"pause":{"until":"2027-01-15T08:00:30.123456789Z","reason":"maintenance"}}','2027-01-15T08:00:27.123456789Z');
INSERT INTO "records" VALUES('arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user2-fBgPjt','{"secret_arn":"arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user2-fBgPjt","first_seen":"2027-01-15T08:00:00.123456789Z","rotation":null,"promotion":null,"retirement":null,"retired":null,"check":null,"never_set":[],"settled_at":null,"open_write":null,"doubtful_write":null,"request":null,"waiting":null,"failure":null,"attention":null,"halt":null,"acknowledged":{},"pause":null}','2027-01-15T08:00:00.123456789Z');
CREATE INDEX history_of_secret ON history (secret_arn, id);
CREATE INDEX outbox_of_target ON outbox (target, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history',28);
INSERT INTO "sqlite_sequence" VALUES('outbox',1);
COMMIT;
PRAGMA application_id = 1919646052;
PRAGMA user_version = 2;
