-- How each ingest worker does, in its own words; who does not speak any more is down.
CREATE TABLE ingest_worker (
    worker text PRIMARY KEY,                 -- name of its session at the broker
    at     timestamptz NOT NULL,
    health jsonb NOT NULL                    -- contracts.messages.IngestHealth
);
