-- What a window was computed from, and how its parts add up.

-- {"points": {"rows": 1200, "digest": "..."}, ...}: tells which input changed when the whole did.
ALTER TABLE metric_window ADD COLUMN inputs jsonb NOT NULL;

-- Minutes that ran when they were last computed; each must still be closed.
CREATE INDEX metric_window_open ON metric_window (minute) WHERE revision = 0;

-- A window reads the batches whose first sample it holds, whenever they were stored.
CREATE INDEX batch_captured ON batch (device, lower(captured));

CREATE FUNCTION add_bins(sum bigint[], bins integer[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), sum)
    FROM unnest(sum, bins) WITH ORDINALITY AS pair(a, b, place)
$$;

-- Histograms bin by bin; trailing bins that are not there are 0.
CREATE AGGREGATE sum_bins(integer[]) (SFUNC = add_bins, STYPE = bigint[], INITCOND = '{}');
