-- Exactly once for messages that have no (device, boot, seq): foreign formats, HTTP posts of such.

-- 16 bytes of SHA-256 over what names the message. Not a hypertable: a key must be unique over all
-- times, and the time of a message need not be known. `tepna db retain` deletes old ones by `stored`;
-- a message that is delivered again after that counts again.
CREATE TABLE message_key (
    key    uuid PRIMARY KEY,
    stored timestamptz NOT NULL
);
CREATE INDEX message_key_stored ON message_key USING brin (stored);

-- What Sparkplug's birth certificates say their aliases mean: data need it in another process too.
CREATE TABLE sparkplug_birth (
    who     text NOT NULL,                   -- group/node or group/node/device
    born    bigint NOT NULL,                 -- [ms since 1970] by the node's clock
    birth   jsonb NOT NULL,
    PRIMARY KEY (who, born)
);
