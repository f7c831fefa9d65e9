-- What the API asks of ingest: dead letters to be judged anew. Ingest writes how far it is in the
-- transaction that stores a letter, so that one who takes over goes on where another was killed.
CREATE TABLE dead_letter_replay (
    replay    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    asked_at  timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    letters   bigint[] NOT NULL,             -- in the order in which they are taken
    taken     integer NOT NULL DEFAULT 0,    -- of these
    replayed  integer NOT NULL DEFAULT 0,
    rows      bigint NOT NULL DEFAULT 0,     -- samples that were stored
    faults    jsonb NOT NULL DEFAULT '[]',   -- of the first that stayed: number and reason
    done_at   timestamptz
);
CREATE INDEX dead_letter_replay_waiting ON dead_letter_replay (replay) WHERE done_at IS NULL;

-- Lists and bulk actions go by who and when.
CREATE INDEX dead_letter_last ON dead_letter (last_at);
