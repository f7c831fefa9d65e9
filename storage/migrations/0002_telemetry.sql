-- What was measured. No unique index: the ledger keeps duplicates out before they are written.

CREATE TABLE observation (
    captured  timestamptz NOT NULL,
    device    integer NOT NULL,
    metric    smallint NOT NULL,
    quality   smallint NOT NULL,             -- 0 good; bits as in contracts.metrics
    simulated boolean NOT NULL,
    value     double precision NOT NULL
);
SELECT create_hypertable('observation', by_range('captured', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX observation_series ON observation (device, metric, captured);

-- One row is one track within one batch and one minute: a piece never crosses a minute, so a window
-- reads its pieces by `captured` alone. Analytics reads whole pieces.
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
    delay     integer[] NOT NULL,            -- [us] after captured
    x         real[] NOT NULL,               -- [m] east of the site's origin
    y         real[] NOT NULL,               -- [m] north of it
    vx        real[] NOT NULL,               -- [m/s]
    vy        real[] NOT NULL,               -- [m/s]
    heading   real[] NOT NULL,               -- [rad] counter-clockwise from east
    sd        real[] NOT NULL                -- [m] standard deviation of x and y
);
SELECT create_hypertable('track_piece', by_range('captured', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX track_piece_time ON track_piece (device, captured);

CREATE VIEW track_point AS
SELECT p.captured + point.delay * INTERVAL '1 microsecond' AS captured,
       device, boot, track, class, simulated, length, width,
       point.x, point.y, point.vx, point.vy, point.heading, point.sd
FROM track_piece p,
     unnest(delay, x, y, vx, vy, heading, sd) AS point(delay, x, y, vx, vy, heading, sd);

-- Discrete happenings: a line crossed, a camera frozen.
CREATE TABLE event (
    captured   timestamptz NOT NULL,
    device     integer NOT NULL,
    boot       uuid NOT NULL,
    kind       text NOT NULL,
    object     text NOT NULL,                -- line or zone
    direction  smallint NOT NULL,            -- +1 in, -1 out, 0 none
    class      smallint NOT NULL,
    track      bigint NOT NULL,
    simulated  boolean NOT NULL,
    value      double precision NOT NULL,    -- speed of a crossing [m/s], NaN unknown
    confidence real NOT NULL
);
SELECT create_hypertable('event', by_range('captured', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX event_time ON event (device, captured);

-- Indiana Traffic Signal Hi Resolution Data Logger Enumerations.
CREATE TABLE signal_event (
    captured  timestamptz NOT NULL,
    device    integer NOT NULL,
    code      integer NOT NULL,
    parameter integer NOT NULL,
    simulated boolean NOT NULL
);
SELECT create_hypertable('signal_event', by_range('captured', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX signal_event_time ON signal_event (device, captured);
