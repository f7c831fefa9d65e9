-- How far each device's clock is off, and what was captured when nobody can have captured it.

-- The least of received - sent in each ten minutes; the two newest tell the offset (storage.clocks).
CREATE TABLE device_clock (
    device    integer NOT NULL,
    simulated boolean NOT NULL,
    since     timestamptz NOT NULL,          -- of received, whole ten minutes
    least     bigint NOT NULL,               -- [us]
    PRIMARY KEY (device, simulated, since)
);

-- Rows whose time of capture is not believable: kept apart from the telemetry, used for nothing,
-- until somebody confirms, shifts or drops them. Those of one batch are one row here.
CREATE TABLE unconfirmed (
    unconfirmed bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    stored      timestamptz NOT NULL,
    received    timestamptz NOT NULL,
    sent        timestamptz NOT NULL,        -- by the device's clock
    first       bigint NOT NULL,             -- captured [us since 1970]: it need not be a date
    last        bigint NOT NULL,
    device      integer NOT NULL REFERENCES device,
    boot        uuid NOT NULL,
    seq         bigint NOT NULL,
    stream      text NOT NULL,
    simulated   boolean NOT NULL,
    rows        integer NOT NULL,
    detail      text NOT NULL,
    payload     bytea NOT NULL               -- a batch of these rows
);
CREATE INDEX unconfirmed_device ON unconfirmed (device);
