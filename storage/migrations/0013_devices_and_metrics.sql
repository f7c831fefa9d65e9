-- What a device is and may send, and in which range a metric's true values lie.

ALTER TABLE device
    ADD COLUMN kind       text NOT NULL DEFAULT '',   -- camera, controller, sensor, ...; '' nobody has said
    ADD COLUMN streams    text[],                     -- that it may send; NULL all
    ADD COLUMN retired_at timestamptz;                -- what it sends afterwards is a dead letter

ALTER TABLE metric
    ADD COLUMN low        double precision,           -- values outside are kept and flagged; NULL no bound
    ADD COLUMN high       double precision,
    ADD COLUMN first_seen timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT metric_range CHECK (low <= high);

-- Names that the platform itself sends were pending, though everybody knows what they mean.
UPDATE metric m SET unit = known.unit, low = known.low, high = known.high, pending = false
FROM (VALUES
    ('camera.observed', 's', 0, 60), ('camera.frames', '{frame}', 0, NULL),
    ('camera.dropped', '{frame}', 0, NULL), ('camera.processing_ms', 'ms', 0, NULL),
    ('agent.outbox_bytes', 'By', 0, NULL), ('agent.backlog_age_s', 's', 0, NULL),
    ('agent.dropped_batches', '{batch}', 0, NULL), ('agent.bad_lines', '{line}', 0, NULL),
    ('uplink.round_trip', 'ms', 0, NULL), ('modem.rsrp', 'dB[mW]', -156, -31),
    ('modem.rsrq', 'dB', -43, 20), ('modem.sinr', 'dB', -23, 40), ('modem.cell', '1', 0, NULL),
    ('modem.round_trip', 'ms', 0, NULL), ('modem.uplink', 'Mbit/s', 0, NULL),
    ('air.temperature', 'Cel', -60, 60), ('noise.level', 'dB[SPL]', 0, 140)
) AS known (name, unit, low, high)
WHERE m.name = known.name AND m.pending;
