-- When ingest first heard a birth: births count in that order, for a node's clock may be set back.
ALTER TABLE sparkplug_birth ADD COLUMN received timestamptz NOT NULL DEFAULT now();

-- Of older births only the node's own time is known, but none of them came later than now.
UPDATE sparkplug_birth SET received = least(received, to_timestamp(born / 1000.0));
