-- Windows: one minute of capture time at one site.

-- Append only, so that marking never waits for a worker that computes.
CREATE TABLE dirty (
    mark      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    site      integer NOT NULL,
    minute    timestamptz NOT NULL,
    simulated boolean NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT '-infinity',  -- backoff of a window that failed
    attempts  integer NOT NULL DEFAULT 0,
    error     text
);
CREATE INDEX dirty_window ON dirty (site, minute, simulated);

CREATE TABLE metric_window (
    site        integer NOT NULL REFERENCES site,
    minute      timestamptz NOT NULL,
    simulated   boolean NOT NULL,
    revision    integer NOT NULL,            -- 0 while the minute runs, then 1, 2, ... as data comes late
    digest      bytea NOT NULL,              -- SHA-256 of the input in canonical form
    code        text NOT NULL,               -- version of the kernels
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (site, simulated, minute)
);

-- Mergeable parts. A closed revision is never changed: evidence points to it.
CREATE TABLE metric_minute (
    minute    timestamptz NOT NULL,
    site      integer NOT NULL,
    simulated boolean NOT NULL,
    revision  integer NOT NULL,
    metric    text NOT NULL,                 -- analytics.metrics
    part      text NOT NULL,                 -- line, approach, device; '' the whole site
    direction smallint NOT NULL,             -- +1 in, -1 out, 0 both or none
    class     smallint NOT NULL,             -- RoadUser, -1 all
    n         bigint NOT NULL,
    total     double precision NOT NULL,     -- sum
    squares   double precision NOT NULL,     -- sum of squares
    inverse   double precision NOT NULL,     -- sum of reciprocals, for harmonic means
    peak      double precision,              -- largest
    histogram integer[],                     -- bins as the metric defines
    observed  double precision NOT NULL,     -- [s]
    wanted    double precision NOT NULL,     -- [s]
    PRIMARY KEY (site, simulated, minute, revision, metric, part, direction, class)
);
SELECT create_hypertable('metric_minute', by_range('minute', INTERVAL '7 days'), create_default_indexes => false);

CREATE VIEW metric_current AS
SELECT m.* FROM metric_minute m JOIN metric_window USING (site, simulated, minute, revision);

-- Conflicts, red-light running, cameras that went blind: found in a window, replaced with it.
CREATE TABLE incident (
    incident  uuid PRIMARY KEY,              -- derived from what it is, so that recomputing keeps the id
    site      integer NOT NULL REFERENCES site,
    minute    timestamptz NOT NULL,          -- the window that found it
    simulated boolean NOT NULL,
    kind      text NOT NULL,
    severity  smallint NOT NULL,             -- 1 notice, 2 serious, 3 severe
    captured  timestamptz NOT NULL,
    device    integer REFERENCES device,
    x         real,
    y         real,
    evidence  jsonb NOT NULL                 -- tracks, values, thresholds
);
CREATE INDEX incident_time ON incident (site, captured);
CREATE INDEX incident_window ON incident (site, minute, simulated);
