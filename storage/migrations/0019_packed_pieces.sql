-- The points of a piece as bytes: each element big-endian, as PostgreSQL sends it, one behind the other.
-- An array of them takes three times as long to write, and twice the room when pieces are short. The
-- columns have other names, so that an ingest of another version fails instead of writing nonsense.

CREATE FUNCTION packed(elements real[]) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(string_agg(float4send(element), '' ORDER BY place), '')
    FROM unnest(elements) WITH ORDINALITY AS u(element, place)
$$;

CREATE FUNCTION packed(elements integer[]) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(string_agg(int4send(element), '' ORDER BY place), '')
    FROM unnest(elements) WITH ORDINALITY AS u(element, place)
$$;

-- Element at a place, from 0.
CREATE FUNCTION integer_at(elements bytea, place integer) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (get_byte(elements, 4 * place) << 24) | (get_byte(elements, 4 * place + 1) << 16)
         | (get_byte(elements, 4 * place + 2) << 8) | get_byte(elements, 4 * place + 3)
$$;

-- IEEE 754: sign, exponent, fraction.
CREATE FUNCTION real_at(elements bytea, place integer) RETURNS real
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (CASE
        WHEN bits & 2139095040 <> 2139095040 THEN
            CASE WHEN bits < 0 THEN -1.0::float8 ELSE 1.0::float8 END
            * ((bits & 8388607) + CASE WHEN bits & 2139095040 = 0 THEN 0 ELSE 8388608 END)
            * power(2.0::float8, greatest((bits >> 23) & 255, 1) - 150)
        WHEN bits & 8388607 <> 0 THEN 'NaN'
        WHEN bits < 0 THEN '-Infinity'
        ELSE 'Infinity'
    END)::real
    FROM (SELECT integer_at(elements, place)) AS i(bits)
$$;

DROP VIEW track_point;
ALTER TABLE track_piece RENAME TO track_piece_in_arrays;
DROP INDEX track_piece_time;

CREATE TABLE track_piece (
    captured  timestamptz NOT NULL,          -- of the first point
    until     timestamptz NOT NULL,          -- of the last point
    device    integer NOT NULL,
    boot      uuid NOT NULL,                 -- track numbers are a boot's own
    track     bigint NOT NULL,
    class     smallint NOT NULL,             -- contracts.classes.RoadUser, at the last point
    simulated boolean NOT NULL,
    length    real NOT NULL,                 -- [m]
    width     real NOT NULL,                 -- [m]
    delays    bytea NOT NULL,                -- integer [us] after captured
    xs        bytea NOT NULL,                -- real [m] east of the site's origin
    ys        bytea NOT NULL,                -- real [m] north of it
    vxs       bytea NOT NULL,                -- real [m/s]
    vys       bytea NOT NULL,                -- real [m/s]
    headings  bytea NOT NULL,                -- real [rad] counter-clockwise from east
    sds       bytea NOT NULL                 -- real [m] standard deviation of x and y
);
SELECT create_hypertable('track_piece', by_range('captured', INTERVAL '1 day'), create_default_indexes => false);

INSERT INTO track_piece
SELECT captured, until, device, boot, track, class, simulated, length, width,
       packed(delay), packed(x), packed(y), packed(vx), packed(vy), packed(heading), packed(sd)
FROM track_piece_in_arrays;
DROP TABLE track_piece_in_arrays;
CREATE INDEX track_piece_time ON track_piece (device, captured);

CREATE VIEW track_point AS
SELECT captured + integer_at(delays, place) * INTERVAL '1 microsecond' AS captured,
       device, boot, track, class, simulated, length, width,
       real_at(xs, place) AS x, real_at(ys, place) AS y,
       real_at(vxs, place) AS vx, real_at(vys, place) AS vy,
       real_at(headings, place) AS heading, real_at(sds, place) AS sd
FROM track_piece, generate_series(0, octet_length(delays) / 4 - 1) AS place;
