-- Exactly once: (device, boot, seq) names a batch; a range holds what is committed.

CREATE TABLE ledger (
    device    integer NOT NULL REFERENCES device,
    boot      uuid NOT NULL,
    committed int8multirange NOT NULL DEFAULT '{}',
    lost      int8multirange NOT NULL DEFAULT '{}',   -- the agent had to drop these; apart from committed
    PRIMARY KEY (device, boot)
);

-- Why which batches are lost: the loss is a number, not a mystery.
CREATE TABLE loss (
    device      integer NOT NULL,
    boot        uuid NOT NULL,
    seqs        int8range NOT NULL,
    reason      text NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (device, boot, seqs, reason)
);

-- The four times of every committed batch, and what proves that a repeated name is the same batch.
-- A batch that was dead-lettered whole is here too, with no rows.
CREATE TABLE batch (
    stored       timestamptz NOT NULL,
    received     timestamptz NOT NULL,
    sent         timestamptz NOT NULL,
    captured     tstzrange NOT NULL,         -- of its samples, empty without any
    device       integer NOT NULL,
    boot         uuid NOT NULL,
    seq          bigint NOT NULL,
    stream       text NOT NULL,
    rows         integer NOT NULL,
    bytes        integer NOT NULL,
    digest       bytea NOT NULL,             -- SHA-256 of everything but sent
    clock_offset real,                       -- [s]
    clock_error  real,                       -- [s]
    simulated    boolean NOT NULL
);
SELECT create_hypertable('batch', by_range('stored', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX batch_name ON batch (device, boot, seq);
CREATE INDEX batch_stored ON batch (stored);

-- What could not be used, whole, with its reason; replay removes it in the transaction that stores it.
CREATE TABLE dead_letter (
    dead_letter bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    seen        integer NOT NULL DEFAULT 1,  -- deliveries of the same thing
    identity    text NOT NULL,               -- pilot/device as the topic says, '' where it says none
    reason      text NOT NULL,
    detail      text NOT NULL,
    topic       text NOT NULL,
    properties  jsonb NOT NULL,
    counted     boolean NOT NULL,            -- the ledger holds its name, though its rows are here
    digest      bytea NOT NULL UNIQUE,       -- of topic, reason and everything but sent
    payload     bytea NOT NULL
);
CREATE INDEX dead_letter_identity ON dead_letter (identity);

-- What was over a device's quota of dead letters: counted, not kept.
CREATE TABLE dead_letter_overflow (
    identity text NOT NULL,
    reason   text NOT NULL,
    dropped  bigint NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (identity, reason)
);
