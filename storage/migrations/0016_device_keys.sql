-- Who may post over HTTP, and what an API key opens beside reading.

-- A device that has no MQTT proves by one of these who it is.
CREATE TABLE device_key (
    key        integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    device     integer NOT NULL REFERENCES device,
    digest     bytea NOT NULL UNIQUE,        -- SHA-256 of a random 256-bit key
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX device_key_device ON device_key (device);

-- Beyond what every key reads: 'dead-letters' looks at them, replays and drops them.
ALTER TABLE api_key ADD COLUMN scopes text[] NOT NULL DEFAULT '{}';
