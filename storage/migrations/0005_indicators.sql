-- Values that decide: immutable, bitemporal, with the way back.

CREATE TABLE indicator_value (
    value_id    uuid PRIMARY KEY,
    definition  text NOT NULL,
    version     integer NOT NULL,
    code        text NOT NULL,               -- digest of definition and evaluating code
    site        integer NOT NULL REFERENCES site,
    simulated   boolean NOT NULL,
    period      tstzrange NOT NULL,          -- valid time
    recorded_at timestamptz NOT NULL,        -- transaction time
    state       text NOT NULL CHECK (state IN ('final', 'provisional', 'insufficient', 'missing')),
    value       double precision,
    low         double precision,
    high        double precision,
    n           double precision NOT NULL,   -- denominator: vehicles, encounters, batches
    coverage    double precision NOT NULL,
    digest      bytea NOT NULL,              -- SHA-256 of the evidence in canonical form
    evidence    jsonb NOT NULL,              -- recipe, windows with revisions and digests, exclusions
    supersedes  uuid REFERENCES indicator_value
);
CREATE INDEX indicator_value_latest ON indicator_value (site, definition, simulated, recorded_at);
